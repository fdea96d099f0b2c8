//! Registers: a value that the nodes store for a key beside its lock.
//!
//! # Design
//!
//! A majority of the nodes stores a value with a version, (token, seq). A holder reads the value
//! before it relies on it. Each node that answers the read promises to refuse writes with lower
//! tokens. The holder then writes the value back with the version (its token, 0). After that, no
//! write of an earlier holder can appear, however late it arrives. The holder's own writes have the
//! versions (its token, 1) and so on. The promise is separate from the fence of the lock, because
//! the tombstones of contenders raise the fence above the token of a valid holder.
//!
//! A reader without the lock gets no promise. If no majority has the same highest version, it
//! writes that version back unchanged, so that no later reader sees an older one.
//!
//! [`quorum::register`](crate::quorum::register) decides which answers count as votes. The model is
//! in `tests/model/src/register`. The algorithm is that of a multi-writer atomic register
//! ([Attiya, Bar-Noy and Dolev, 1995](https://doi.org/10.1145/200836.200869)), with the promise of
//! Paxos in place of a read of the version before each write.

mod records;
mod request;
mod rounds;

pub use self::{
    records::{Record, Records},
    request::{ReadRequest, WriteRequest},
};

/// Maximum length of a value, in bytes.
pub const MAX_VALUE: usize = 64 * 1024;
