//! The argument and the result of the body of a job.

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
    /// The scheduled instant. It is the same on all replicas, and when the firing is run again, so
    /// it can be used as a key for work that must not be done twice.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        instant(self.at)
    }

    /// The number of this attempt, from 1. See [`Job::retry`](super::Job::retry).
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether the firing was started before, by a replica that crashed or lost the lock. A part of
    /// the work may be done.
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

/// The result of the body of a job: `()`, or a `Result` whose error is the cause of the failure.
pub trait BodyResult {
    /// The cause of the failure, or `None` if the firing was completed. The nodes store its first
    /// 500 bytes.
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
