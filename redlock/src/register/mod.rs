//! Registers: what the nodes remember about a key beyond its lock.
//!
//! # Design
//!
//! A value with a version, (token, seq), on a majority of the nodes. A holder reads before it relies on what was there: each
//! node promises to refuse writes with lower tokens from then on, and the holder writes back what it found as (its token, 0),
//! so that no write of an earlier holder can appear after that, however late it arrives. Its own writes are (its token, 1)
//! and so on. The promise is not the fence of the lock: tombstones of contenders raise the fence above the token of a valid
//! holder.
//!
//! A reader without the lock is promised nothing. Where no majority has the same highest version, it writes that one back
//! under its own version, so that no later reader sees an older one.
//!
//! Whose answers are votes is in [`quorum::register`](crate::quorum::register). The model is in `tests/tests/model/register.rs`.
//! The algorithm is that of a multi-writer atomic register ([Attiya, Bar-Noy and Dolev,
//! 1995](https://doi.org/10.1145/200836.200869)) with the promise of Paxos in place of reads of the version before each write.

mod request;
mod rounds;

pub use self::request::{ReadRequest, WriteRequest};

/// The most bytes of a value.
pub(crate) const MAX_VALUE: usize = 64 * 1024;
