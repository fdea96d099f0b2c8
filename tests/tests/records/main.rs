//! Recorded responses on the nodes of the lock, and responses that processes share; and no spelling of a request makes two
//! identities one.
#![allow(clippy::unwrap_used)]

mod forgotten;
mod identities;
mod processes;
mod quorum;
mod service;
mod unlocked;

use std::time::Duration;

/// For a process that starts, a node that votes again, and a lock that expires.
const BOUND: Duration = Duration::from_secs(60);
