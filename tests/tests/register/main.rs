//! Registers: what the nodes remember about a key beyond its lock, on real servers and on nodes in memory.

mod memory;
mod servers;

use std::time::Duration;

/// For operations that take milliseconds on an idle machine.
const SOON: Duration = Duration::from_secs(20);
const KEY: &str = "import:7";
