//! Jobs of five processes, whose clocks are up to 2 s apart, on five real nodes. They fire each second while processes are
//! killed, stopped and restarted, one node dies, and one restarts empty.
//!
//! `FIRINGS=200 cargo test -p tests --test firings` runs more of them.

mod history;
mod outage;
mod replicas;
mod run;

use std::time::Duration;

/// A bound for what takes a few seconds.
const SOON: Duration = Duration::from_secs(60);
