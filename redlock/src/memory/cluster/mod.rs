//! A Redis Cluster in memory: servers that share the slots, and moves of slots between them.

mod slot_map;

use std::sync::{Arc, Mutex, MutexGuard};

pub(super) use self::slot_map::{Membership, Owner, SlotMap};
use super::{Node, server::Server};
use crate::{env::sync::lock, key::slot::slot_of};

/// A Redis Cluster in memory, which is one node of a client. Its servers are nodes in memory, with all of their faults; the network
/// to them is that of their handles.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
/// use redlock::{Redlock, memory::{Nodes, RedisCluster}};
///
/// // Two masters share the slots. The third server has none, like a replica.
/// let cluster = RedisCluster::new(Nodes::new(3).nodes(), 2);
/// let redlock = Redlock::builder().node(&cluster).connect().await?;
/// let guard = redlock.lock("invoice:42").await?;
/// cluster.fail_over(cluster.owner_of("invoice:42"), 2); // it takes over without the lock
/// # drop(guard); Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct RedisCluster {
    servers: Vec<Node>,
    map: Arc<Mutex<SlotMap>>,
}

impl RedisCluster {
    /// Makes these nodes the servers of a cluster. The first `masters` of them share the slots evenly, the others have none.
    ///
    /// # Panics
    /// If there are no masters, or fewer nodes than masters.
    #[must_use]
    pub fn new(servers: impl IntoIterator<Item = Node>, masters: usize) -> Self {
        let servers: Vec<Node> = servers.into_iter().collect();
        assert!(
            (1..=servers.len()).contains(&masters),
            "{masters} masters of {} servers",
            servers.len()
        );
        let names = servers.iter().map(|node| node.name().into());
        let map = Arc::new(Mutex::new(SlotMap::new(names.collect(), masters)));
        for (index, server) in servers.iter().enumerate() {
            let map = Arc::clone(&map);
            let membership = Membership {
                index,
                map,
                outdated: None,
            };
            server.with(|server, _| server.cluster = Some(membership));
        }
        Self { servers, map }
    }

    /// The same cluster from another machine: its servers over the network of that machine, as from
    /// [`Nodes::apart`](super::Nodes::apart), in the same order.
    #[must_use]
    pub fn apart(&self, servers: impl IntoIterator<Item = Node>) -> Self {
        Self {
            servers: servers.into_iter().collect(),
            map: Arc::clone(&self.map),
        }
    }

    /// The servers, in the order in which they were given.
    #[must_use]
    pub fn servers(&self) -> &[Node] {
        &self.servers
    }

    /// The index of the server that has the slot of `key`.
    #[must_use]
    pub fn owner_of(&self, key: &str) -> usize {
        lock(&self.map).owner(slot_of(key))
    }

    /// Server `to` takes over all slots of server `from` with the data that it has, like a replica after the death of its master.
    /// The epoch of the map increases.
    pub fn fail_over(&self, from: usize, to: usize) {
        lock(&self.map).take_over(from, to);
    }

    /// Moves the slot of `key`, with its keys, to server `to`.
    pub fn move_slot(&self, key: &str, to: usize) {
        self.begin_move(key, to);
        self.move_keys(key);
        self.end_move(key);
    }

    /// Marks the slot of `key` as moving to server `to`: its server redirects requests for keys that it does not have (`ASK`).
    pub fn begin_move(&self, key: &str, to: usize) {
        lock(&self.map).begin_move(slot_of(key), to);
    }

    /// Moves the keys of the slot, like `MIGRATE`. Has no effect unless the slot is marked as moving.
    pub fn move_keys(&self, key: &str) {
        let slot = slot_of(key);
        let Some((from, to)) = lock(&self.map).is_moving(slot) else {
            return;
        };
        let (mut from, mut to) = self.both(from, to);
        from.store.tick();
        to.store.tick();
        let of_slot = |key: &[u8]| slot_of(key) == slot;
        let Server { store, .. } = &mut *from;
        store.move_to(&mut to.store, of_slot);
    }

    /// The slot belongs to the server that it was moving to. The epoch of the map increases.
    pub fn end_move(&self, key: &str) {
        lock(&self.map).end_move(slot_of(key));
    }

    /// While `true`, server `index` is cut off from the others: it does not learn of later changes of the map, and serves the slots that
    /// it had. Clients still reach it.
    pub fn cut_off(&self, index: usize, on: bool) {
        let map = on.then(|| lock(&self.map).clone());
        self.servers[index].with(|server, _| {
            if let Some(membership) = &mut server.cluster {
                membership.outdated = map;
            }
        });
    }

    /// Two servers, locked in the order of their indexes.
    fn both(&self, one: usize, other: usize) -> (MutexGuard<'_, Server>, MutexGuard<'_, Server>) {
        let server = |index: usize| lock(&self.servers[index].inner.server);
        if one < other {
            let first = server(one);
            (first, server(other))
        } else {
            let second = server(other);
            (server(one), second)
        }
    }
}
