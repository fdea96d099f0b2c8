//! The pure decisions of the protocol: no input, no output, no clock of their own.

pub(crate) mod backoff;
pub(crate) mod guard_time;
pub(crate) mod lists;
#[cfg(test)]
mod properties;
pub(crate) mod token;
pub(crate) mod validity;
pub(crate) mod votes;
