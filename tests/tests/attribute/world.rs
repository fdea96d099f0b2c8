//! What the modules share: nodes in memory, two handles on them, and an error type.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redlock::{Guard, Redlock, memory};
use tests::eventually;

/// Long enough for anything that does not hang.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// Three nodes, and two handles that know nothing of each other: two processes, as far as Redis can tell.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) nodes: Arc<memory::Cluster>,
    pub(crate) locks: Redlock,
    pub(crate) elsewhere: Redlock,
}

impl World {
    pub(crate) async fn new() -> Self {
        let nodes = memory::Cluster::new(3);
        let locks = Redlock::connect(nodes.nodes()).await.unwrap();
        let elsewhere = Redlock::connect(nodes.nodes()).await.unwrap();
        Self {
            nodes: Arc::new(nodes),
            locks,
            elsewhere,
        }
    }

    /// The key, held by the other process for a minute.
    pub(crate) async fn busy(&self, key: &str) -> Guard {
        self.elsewhere
            .lock(key)
            .ttl(Duration::from_secs(60))
            .await
            .unwrap()
    }

    /// Whether a majority of the nodes has the key.
    pub(crate) fn is_held(&self, key: &str) -> bool {
        self.nodes
            .nodes()
            .iter()
            .filter(|node| node.get(key).is_some())
            .count()
            >= 2
    }

    /// Waits until no node has the key.
    pub(crate) async fn free(&self, key: &str) {
        eventually(BOUND, async || {
            self.nodes
                .nodes()
                .iter()
                .all(|node| node.get(key).is_none())
        })
        .await;
    }

    /// Two of the three nodes go down.
    pub(crate) fn lose_quorum(&self) {
        self.nodes.node(0).stop();
        self.nodes.node(1).stop();
    }
}

/// A service's own error, made of the lock's.
#[derive(Debug)]
pub(crate) enum AppError {
    Lock(redlock::Error),
    Own(&'static str),
}

impl AppError {
    pub(crate) fn lock(self) -> redlock::Error {
        match self {
            Self::Lock(error) => error,
            Self::Own(text) => panic!("not of the lock: {text}"),
        }
    }
}

impl From<redlock::Error> for AppError {
    fn from(error: redlock::Error) -> Self {
        Self::Lock(error)
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock(error) => error.fmt(f),
            Self::Own(text) => text.fmt(f),
        }
    }
}

impl std::error::Error for AppError {}
