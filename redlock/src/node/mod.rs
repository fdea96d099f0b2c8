//! Nodes: what can be asked of one, and what it may answer. Nothing here knows of quorums.

mod address;
mod connection;
mod connection_set;
mod deferral;
mod info;
mod lists;
#[cfg(feature = "cluster")]
mod moves;
mod notifications;
mod operation;
mod outbox;
mod redis;
mod reply_sink;
mod runtime;
#[cfg(feature = "cluster")]
mod shards;
mod state;
mod strict;

pub use address::NodeAddress;
pub(crate) use connection_set::{ConnectionSet, Nodes};
pub(crate) use info::Info;
pub(crate) use lists::Lists;
pub(crate) use notifications::{Notification, Notifications, Subscriber};
pub(crate) use operation::Operation;
pub(crate) use outbox::Outbox;
#[cfg(feature = "__fuzzing")]
pub use redis::read;
pub(crate) use redis::{Access, Target};
pub(crate) use reply_sink::ReplySink;
pub(crate) use runtime::{sleep, timeout};
pub(crate) use state::{NodeState, Part};
pub(crate) use strict::Strict;

/// The address of one server that is not a node.
#[cfg(feature = "http")]
pub(crate) fn server(address: &str) -> Result<::redis::ConnectionInfo, redis::Wrong> {
    Target::one(address)
}
