//! Locks whose newest request wins, on memory nodes, on real ones and behind the layer.
#![allow(clippy::unwrap_used)]

mod edits;
mod layer;
mod limits;
mod requests;

use std::time::Duration;

/// For what takes milliseconds on a machine that has nothing else to do.
const BOUND: Duration = Duration::from_secs(60);
