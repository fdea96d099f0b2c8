//! One node in memory: a server, and the network to it.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use super::{freeze::Freezer, network::Network, server::Server};
use crate::env::{clock::Clock, random::Random, sync::lock};

/// The initial wall clock of seeded nodes, in microseconds since the epoch.
const SEEDED_WALL: u64 = 1_700_000_000_000_000;

/// One node in memory, with methods that inject faults. Clones are the same node over the same
/// network.
#[derive(Clone)]
pub struct Node {
    pub(super) inner: Arc<Inner>,
    pub(super) network: Arc<Network>,
    /// The random numbers of clients.
    random: Random,
}

pub(super) struct Inner {
    pub(super) name: String,
    /// The random numbers of the server.
    pub(super) random: Random,
    pub(super) server: Mutex<Server>,
}

impl Node {
    pub(super) fn new(name: String, random: &Random, freezer: &Arc<Freezer>) -> Self {
        let wall = match random {
            Random::System => SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| {
                    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
                }),
            Random::Seeded(_) => SEEDED_WALL,
        };
        let epoch = wall.saturating_sub(Clock::Tokio.now().micros());
        Self {
            inner: Arc::new(Inner {
                name,
                random: random.clone(),
                server: Mutex::new(Server::new(epoch, random)),
            }),
            network: Arc::new(Network::new(freezer)),
            random: random.clone(),
        }
    }

    /// The same node over another network.
    pub(super) fn apart(&self, freezer: &Arc<Freezer>) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            network: Arc::new(Network::new(freezer)),
            random: self.random.clone(),
        }
    }

    /// The same node over the same network, for clients that use the random numbers of `random`.
    pub(super) fn with_random(&self, random: &Random) -> Self {
        Self {
            random: random.clone(),
            ..self.clone()
        }
    }

    /// Equal for handles of the same node.
    pub(crate) fn identity(&self) -> String {
        format!("memory {:p}", Arc::as_ptr(&self.inner))
    }

    pub(crate) fn random(&self) -> &Random {
        &self.random
    }

    /// Where it is in the map of a cluster's slots.
    #[cfg(feature = "cluster")]
    pub(crate) fn address(&self) -> String {
        format!("{}:0", self.inner.name)
    }

    /// Freezes the clients of this handle.
    pub(crate) fn freezer(&self) -> &Arc<Freezer> {
        self.network.freezer()
    }

    /// The reply to `TIME`, in microseconds since the epoch.
    pub(crate) fn wall_clock(&self) -> u64 {
        lock(&self.inner.server).wall_clock()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.inner.name)
            .finish_non_exhaustive()
    }
}
