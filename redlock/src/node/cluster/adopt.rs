//! Taking over a new map of slots: connections to new servers, and the releases of servers that are gone.

use std::sync::Arc;

use super::{
    super::{Operation, redis::Slots},
    Shared, Trip,
    map::Shard,
};
use crate::{command::Reply, env::sync::lock, fault::Fault};

impl Shared {
    /// Uses another map from now on.
    pub(super) fn adopt(self: &Arc<Self>, slots: Slots) {
        if lock(&self.map).is_up_to_date(&slots) {
            return;
        }
        let Some(nodes) = self.nodes.upgrade() else {
            return;
        };
        let (early, gone) = {
            let mut map = lock(&self.map);
            let states = nodes.states[self.index].parts(&slots.by_server());
            let masters = slots.masters().iter();
            let shards = states.into_iter().zip(masters);
            let shards = shards.filter_map(|(state, master)| {
                let mut known = map.shards.iter().chain(&map.importers);
                let known = known.find(|shard| Arc::ptr_eq(&shard.state, &state));
                let id = Arc::clone(&master.id);
                match known.cloned() {
                    Some(shard) => Some(Shard { id, ..shard }),
                    None => self.shard(&nodes, state, id),
                }
            });
            let shards: Vec<Shard> = shards.collect();
            if shards.len() != slots.servers().len() {
                // The address of a server cannot be read: the next look may bring a better one.
                return;
            }
            let is_among = |shards: &[Shard], one: &Shard| {
                shards
                    .iter()
                    .any(|other| Arc::ptr_eq(&other.state, &one.state))
            };
            map.importers.retain(|one| !is_among(&shards, one));
            let mut gone = std::mem::replace(&mut map.shards, shards);
            gone.retain(|one| !is_among(&map.shards, one));
            map.slots = slots;
            map.missing = None;
            (std::mem::take(&mut map.early), gone)
        };
        // A successor knows what was replicated to it: releases deferred for its predecessor concern it too.
        let deferred: Vec<Operation> = gone
            .iter()
            .flat_map(|shard| shard.connection.take_deferred())
            .collect();
        drop(gone);
        for op in deferred.into_iter().chain(early) {
            self.submit(op, Trip::default());
        }
    }

    /// No server could be asked for the map.
    pub(super) fn no_map(&self, fault: &Fault) {
        self.contact.attempted(self.index, false);
        let early = {
            let mut map = lock(&self.map);
            if !map.slots.is_empty() {
                // The old map stays in use: each connection knows whether its server is reachable.
                return;
            }
            map.fail_early(fault, self.nodes.upgrade().as_ref())
        };
        if let Some(nodes) = self.nodes.upgrade() {
            nodes.states[self.index].went_down(fault);
        }
        for op in early {
            op.answer(Reply::Failed(fault.clone()));
        }
    }

    /// The runtime has ended: another one delivers the releases that wait for a map.
    pub(super) fn hand_over(&self) {
        let fault = Fault::no_runtime();
        let early = {
            let mut map = lock(&self.map);
            map.ended = true;
            map.fail_early(&fault, self.nodes.upgrade().as_ref())
        };
        for op in early {
            op.answer(Reply::Failed(fault.clone()));
        }
    }

    pub(super) fn is_well(&self) -> bool {
        let map = lock(&self.map);
        !map.slots.is_empty() && map.shards.iter().all(|shard| shard.state.is_up())
    }
}
