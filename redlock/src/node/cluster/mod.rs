//! A Redis Cluster as one node: a connection to each of its masters, and the map of slots that says which of them has a key.
//!
//! A shard that hangs or is gone delays no key of another shard. Each has the votes, the quarantine and the deferred
//! releases of its own server.
//!
//! A vote counts if it is the vote of the server that the map names, if the map was confirmed by a majority of the masters
//! not long ago, and if the slot has not moved within the guard time.

mod adopt;
mod fan_out;
mod map;
mod redirect;
mod route;
mod routed;
mod shared;
mod trust;
mod watch;

use std::sync::Arc;

use tokio::runtime::Handle;

use self::{routed::Trip, shared::Shared, watch::Watching};
use super::{Nodes, Operation, connection::FirstContact, redis::Target};
use crate::{
    env::sync::lock,
    key::{Key, slot::slot_of},
    quorum::restart_guard,
};

/// After this many failed looks in a row, the map no longer counts as confirmed.
const LOOKS: u32 = 4;

/// The connections to the servers of one cluster. When it is dropped, they end once all releases have arrived, also those
/// that are redirected or wait for a successor, and after the longest ttl at the latest.
#[derive(Debug)]
pub(super) struct Cluster(Arc<Shared>);

impl Cluster {
    pub(super) fn start(
        nodes: &Arc<Nodes>,
        index: usize,
        target: &Target,
        inbox: &Arc<str>,
        contact: &Arc<FirstContact>,
        runtime: &Handle,
    ) -> Self {
        let shared = Arc::new(Shared::new(nodes, index, target, inbox, contact, runtime));
        let watching = watch::keep_watching(
            Watching {
                shared: Arc::clone(&shared),
                _nodes: Arc::clone(nodes),
            },
            target.clone(),
            restart_guard::confirmed_for(nodes.skew) / LOOKS,
        );
        nodes.spawn(runtime, watching);
        Self(shared)
    }

    pub(super) fn submit(&self, op: Operation) {
        self.0.submit(op, Trip::default());
    }

    /// Whether the server that has the key notifies the inbox of this process.
    pub(super) fn is_subscribed(&self, key: &Key) -> bool {
        let map = lock(&self.0.map);
        let shard = map.shard_of(slot_of(key.lock()));
        shard.is_some_and(|shard| shard.connection.is_subscribed())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.0.close();
    }
}
