//! What the body of a job gets and returns.

use std::{fmt::Display, time::SystemTime};

use super::schedule::instant;

/// One firing of a job. It converts into a `SystemTime`, its scheduled instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Firing {
    pub(super) at: u64,
    pub(super) attempt: u32,
    pub(super) again: bool,
}

impl Firing {
    /// The scheduled instant: the same on all replicas, and for a repeated run. A key for what must not be done twice.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        instant(self.at)
    }

    /// Which attempt of this run it is, from 1. See [`Job::retry`](super::Job::retry).
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether it was started before, by a replica that crashed or lost the lock: some of the work may be done.
    #[must_use]
    pub fn is_rerun(&self) -> bool {
        self.again
    }
}

impl From<Firing> for SystemTime {
    fn from(firing: Firing) -> Self {
        firing.at()
    }
}

/// What the body of a job may return: `()`, or a `Result` whose error says why it failed.
pub trait BodyResult {
    /// Why the firing failed. `None`: it was completed. The first 500 bytes are kept on the nodes.
    fn into_failure(self) -> Option<String>;
}

impl BodyResult for () {
    fn into_failure(self) -> Option<String> {
        None
    }
}

impl<T, E: Display> BodyResult for Result<T, E> {
    fn into_failure(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}
