//! Nodes in memory and two clients of them, as two processes would have them.

use std::{sync::Arc, time::Duration};

use redlock::{Redlock, memory};
use tests::eventually;

/// Long enough for anything that does not hang.
pub(super) const BOUND: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(super) struct World {
    pub(super) nodes: Arc<memory::Cluster>,
    pub(super) locks: Redlock,
    pub(super) elsewhere: Redlock,
}

impl World {
    pub(super) async fn new() -> Self {
        let nodes = memory::Cluster::new(3);
        let locks = Redlock::connect(nodes.nodes()).await.unwrap();
        let elsewhere = Redlock::connect(nodes.nodes()).await.unwrap();
        Self {
            nodes: Arc::new(nodes),
            locks,
            elsewhere,
        }
    }

    /// Whether a majority of the nodes has the key.
    pub(super) fn is_held(&self, key: &str) -> bool {
        let nodes = self.nodes.nodes();
        let having = nodes.iter().filter(|node| node.get(key).is_some());
        having.count() >= 2
    }

    /// Waits until no node has the key.
    pub(super) async fn free(&self, key: &str) {
        eventually(BOUND, async || {
            let nodes = self.nodes.nodes();
            nodes.iter().all(|node| node.get(key).is_none())
        })
        .await;
    }
}
