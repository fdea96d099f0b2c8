//! Nodes in the process itself: for demos, for the tests of an application, and for whole histories
//! under paused time.
//!
//! They follow the same protocol as Redis servers, and have methods that inject faults: of a node
//! ([`stop`](Node::stop), [`hang`](Node::hang), [`restart_empty`](Node::restart_empty), ..), of the
//! network to it ([`delay`](Node::delay), [`lose_replies`](Node::lose_replies),
//! [`hold_back`](Node::hold_back), ..) and of its clients ([`freeze`](Nodes::freeze)). If all nodes
//! of a client are in memory, it uses tokio's time, which `tokio::time::pause` and `advance`
//! control. With [`Nodes::seeded`] a whole history can be repeated.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
//! use redlock::{Redlock, memory::Nodes};
//!
//! let nodes = Nodes::new(3);
//! let redlock = Redlock::connect(nodes.nodes()).await?;
//!
//! nodes.node(0).stop(); // one of three is down: a quorum is left
//! let guard = redlock.try_lock("invoice:42").await?.expect("nobody else holds it");
//!
//! nodes.node(1).stop(); // two of three are down
//! assert!(redlock.try_lock("invoice:43").await.unwrap_err().is_no_quorum());
//! # drop(guard); Ok(()) }
//! ```

#[cfg(feature = "cluster")]
mod cluster;
mod effects;
mod freeze;
mod look;
mod network;
mod node;
mod nodes;
mod process;
mod redis;
mod replies;
mod server;
mod store;
mod stream;
mod switches;

#[cfg(feature = "cluster")]
pub use cluster::RedisCluster;
pub(crate) use freeze::Freezer;
pub use node::Node;
#[expect(deprecated, reason = "the former name still works")]
pub use nodes::Cluster;
pub use nodes::Nodes;
#[cfg(feature = "__wire")]
pub use server::Content;
