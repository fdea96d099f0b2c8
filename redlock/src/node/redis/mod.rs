//! A Redis server as a node. All use of the `redis` crate stands in this folder.

mod certificates;
mod decode;
mod encode;
mod link;
#[cfg(any(test, feature = "__fuzzing"))]
mod replies;
#[cfg(feature = "sentinel")]
mod sentinel;
#[cfg(feature = "cluster")]
mod slots;
mod target;

pub(super) use redis::Value;

pub(crate) use certificates::Certificates;
pub(super) use decode::{Answer, Step};
pub(super) use link::{Answers, Inbox, Link, News};
#[cfg(feature = "__fuzzing")]
pub use replies::read;
#[cfg(feature = "cluster")]
pub(super) use slots::{Slots, moved, slot_of};
pub(crate) use target::Target;
