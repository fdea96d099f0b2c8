//! Commands about the permits of a semaphore. The commands for a single permit are those of a lock.

mod look;

pub(crate) use self::look::LookPermits;
