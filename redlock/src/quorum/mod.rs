//! The pure decisions of the protocol: no I/O, and no clock of their own.

pub(crate) mod backoff;
pub(crate) mod lists;
pub(crate) mod node_set;
#[cfg(test)]
mod properties;
pub(crate) mod register;
pub(crate) mod restart_guard;
pub(crate) mod tally;
pub(crate) mod token;
pub(crate) mod token_block;
pub(crate) mod token_clock;
pub(crate) mod validity;
