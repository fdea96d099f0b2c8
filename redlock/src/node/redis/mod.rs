//! A Redis server as a node. The `redis` crate is used in this folder only.

#[cfg(feature = "cluster")]
mod cluster;
mod credentials;
mod endpoint;
mod login;
#[cfg(any(test, feature = "__fuzzing"))]
mod replies;
#[cfg(feature = "sentinel")]
mod sentinel;
mod server_connection;
mod socket;
mod target;
mod url;
mod wire;

#[cfg(feature = "cluster")]
pub(super) use cluster::{Redirection, Slots, Topology, TopologyReader, redirection};
pub use credentials::{Credentials, CredentialsProvider};
#[cfg(feature = "__fuzzing")]
pub use replies::read;
pub(super) use server_connection::{Incoming, ServerConnection, Subscription};
pub(crate) use socket::access::Access;
pub(crate) use target::Target;
pub(crate) use url::Wrong;
