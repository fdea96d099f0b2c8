//! Commands of a read/write lock.
//!
//! # Design
//!
//! The writer is a plain string, as the holder of an exclusive lock is. So is a reader that is the only one: that costs the server
//! the least. From the second one on, the readers are a sorted set of owners, whose scores are the times at which they expire.
//! Readers and the writer exclude each other on each node, and so on a majority.
//!
//! Each side has a *bar*, its fence. A reader raises the bar of the writers, and a writer raises both bars: so the tokens of
//! writers increase, and the token of a reader is between those of the writers before and after it. A release raises the bar of its
//! own side. With one bar for both sides, readers would make each other stale.
//!
//! A writer that waits leaves an *intent*, which keeps out readers that begin to wait later. It ends 3 s after the lease that
//! refused the writer, since the writer asks again when that lease is over. It keeps out no writer. Each side has a waitlist of its own.

mod acquire;
mod admin;
mod extend;
mod leave;
mod release;
mod side;

pub(crate) use self::{
    acquire::AcquireSide,
    admin::{ForceReleaseSides, InspectSides},
    extend::ExtendSide,
    leave::LeaveWrite,
    release::ReleaseSide,
    side::Side,
};
