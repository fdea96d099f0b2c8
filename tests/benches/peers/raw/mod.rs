//! The floor of the wire: the same commands over plain sockets, in batches.
//!
//! One loop holds all locks: what is read is counted, what a majority decides leads to the next command, and
//! everything that came of one look at the sockets leaves in one write for each node.

mod batch;
mod command;
mod engine;
mod reply;
mod sockets;
mod streams;

pub(crate) use sockets::{Sockets, address};
pub(crate) use streams::Streams;
