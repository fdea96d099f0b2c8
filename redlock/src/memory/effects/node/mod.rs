//! The effects of commands about a node itself.

pub(super) mod announce;
pub(super) mod probe;
