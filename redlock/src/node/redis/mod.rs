//! A Redis server as a node. All use of the `redis` crate stands in this folder.

mod access;
mod certificates;
mod dial;
mod link;
mod login;
#[cfg(feature = "cluster")]
mod map;
#[cfg(any(test, feature = "__fuzzing"))]
mod replies;
#[cfg(feature = "sentinel")]
mod sentinel;
#[cfg(feature = "cluster")]
mod slots;
mod socket;
mod target;
mod url;
mod wire;

pub(crate) use access::Access;
pub(super) use link::{Incoming, Link, Subscription};
#[cfg(feature = "cluster")]
pub(super) use map::{Surveyed, Surveyor};
#[cfg(feature = "__fuzzing")]
pub use replies::read;
#[cfg(feature = "cluster")]
pub(super) use slots::{Redirection, Slots, redirection, slot_of};
pub(crate) use target::Target;
pub(crate) use url::Wrong;
