//! Locks of ours and of other libraries on the same nodes: each is busy for the others, and nobody deletes another's.

mod exclusion;
mod peer;
mod plain;
mod support;
mod together;
