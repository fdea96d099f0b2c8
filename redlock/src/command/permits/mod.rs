//! Commands about the permits of a semaphore. The commands for a single permit are those of a lock.

mod inspect;
mod look;

pub(crate) use self::{inspect::InspectPermits, look::LookPermits};
