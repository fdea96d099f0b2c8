//! Commands about the permits of a semaphore. A permit itself is taken, extended and released as a lock is.

mod look;

pub(crate) use self::look::LookPermits;
