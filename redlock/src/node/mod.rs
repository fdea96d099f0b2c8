//! Nodes: their addresses, the connections to them, and whether their votes count.

mod address;
#[cfg(feature = "cluster")]
mod cluster;
mod connection;
mod connection_set;
mod connection_sets;
mod connection_wakers;
mod info;
mod nodes;
mod notify;
mod operation;
mod outbox;
mod redis;
mod reply_sink;
mod runtime;
mod trust;

pub use address::NodeAddress;
pub(crate) use connection_set::ConnectionSet;
pub(crate) use connection_sets::{ClientTask, ConnectionSets};
pub(crate) use connection_wakers::ConnectionWakers;
pub(crate) use info::{Info, Optional};
pub(crate) use nodes::Nodes;
pub(crate) use notify::{Notification, Notifications, Preemptible, Subscriber};
pub(crate) use operation::Operation;
pub(crate) use outbox::Outbox;
#[cfg(feature = "__fuzzing")]
pub use redis::read;
pub(crate) use redis::{Access, Target};
pub use redis::{Credentials, CredentialsProvider};
pub(crate) use reply_sink::ReplySink;
pub(crate) use runtime::{sleep, timeout};
pub(crate) use trust::{Lists, NodeState, Part, Strict};

/// The address of one server that is not a node.
#[cfg(feature = "http")]
pub(crate) fn server(address: &str) -> Result<::redis::ConnectionInfo, redis::Wrong> {
    Target::one(address)
}
