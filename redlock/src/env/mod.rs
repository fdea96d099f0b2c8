//! The environment of a client: clock, randomness, threads, and small tools that do not depend on
//! locks.

pub(crate) mod background;
pub(crate) mod clock;
pub(crate) mod pending;
pub(crate) mod random;
pub(crate) mod sync;
pub(crate) mod unwind;
