//! Nodes in memory and two clients of them, as in two processes.

use std::sync::Arc;
use std::time::Duration;

use crate::eventually;
use redlock::{Guard, Redlock, memory};

/// A bound for anything that does not hang.
pub const BOUND: Duration = Duration::from_secs(20);

/// Three nodes in memory, and two clients that know nothing of each other, as in two processes.
#[derive(Clone, Debug)]
pub struct World {
    /// The nodes, with their faults.
    pub nodes: Arc<memory::Nodes>,
    /// The client that is tested.
    pub locks: Redlock,
    /// The client of another process.
    pub elsewhere: Redlock,
}

impl World {
    /// Starts the nodes and connects both clients.
    ///
    /// # Panics
    /// If a client cannot connect.
    pub async fn new() -> Self {
        let nodes = memory::Nodes::new(3);
        let connect = async || {
            Redlock::connect(nodes.nodes())
                .await
                .expect("connect to nodes in memory")
        };
        let (locks, elsewhere) = (connect().await, connect().await);
        Self {
            nodes: Arc::new(nodes),
            locks,
            elsewhere,
        }
    }

    /// The other process takes the lock, for at least a minute.
    ///
    /// # Panics
    /// If the lock is not free.
    pub async fn busy(&self, key: &str) -> Guard {
        self.elsewhere
            .lock(key)
            .ttl(Duration::from_secs(60))
            .await
            .expect("a free lock")
    }

    /// Whether a majority of the nodes has the key.
    pub fn is_held(&self, key: &str) -> bool {
        self.nodes
            .nodes()
            .iter()
            .filter(|node| node.get(key).is_some())
            .count()
            >= 2
    }

    /// Waits until no node has the key.
    pub async fn free(&self, key: &str) {
        eventually(BOUND, async || {
            self.nodes
                .nodes()
                .iter()
                .all(|node| node.get(key).is_none())
        })
        .await;
    }

    /// Stops two of the three nodes.
    pub fn lose_quorum(&self) {
        self.nodes.node(0).stop();
        self.nodes.node(1).stop();
    }
}
