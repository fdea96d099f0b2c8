//! The fixture of all tests: real Redis nodes and a TCP proxy, both with faults, and bounded waits.
//!
//! ```no_run
//! # async fn example() {
//! use std::time::Duration;
//!
//! let cluster = tests::Cluster::start(3).await;
//! let _urls = cluster.urls();
//! cluster.node(0).kill();
//! cluster.node(1).pause();
//! cluster.node(0).restart_empty().await;
//! cluster.node(1).resume();
//! tests::eventually(Duration::from_secs(5), async || cluster.locked_on("invoice:42").await.is_empty()).await;
//! # }
//! ```

pub mod api;
pub mod built;
pub mod cluster;
mod eventually;
#[cfg(doctest)]
mod guides;
pub mod house;
mod logs;
mod managed;
pub mod network;
pub mod postgres;
pub mod proxy;
mod servers;
pub mod sharded;
pub mod slips;
pub mod store;
pub mod web;
pub mod world;

pub use cluster::{Cluster, Node};
pub use eventually::{eventually, within};
pub use logs::Logs;
pub use managed::Managed;
pub use servers::further_servers;
pub use sharded::Sharded;
pub use world::World;
