//! Commands of a read/write lock.
//!
//! # Design
//!
//! The lock has a writer, a plain string as that of an exclusive lock, and readers, a sorted set of owners by when they
//! expire. They exclude each other on each node, so that they do on a majority. Each side has a *bar*, its fence. A reader
//! raises the bar of the writers, and a writer raises both: so the tokens of writers increase, and that of a reader is between
//! those of the writers before and after it. A release raises the bar of its own side. With one bar for both, readers would
//! make each other stale.
//!
//! A writer that waits leaves an *intent*, which keeps out readers that begin to wait later, until 3 s after the lease that
//! refused it: the writer asks again when that lease is over. It keeps out no writer. Readers and writers have waitlists of their own.

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
