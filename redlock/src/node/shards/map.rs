//! The map as calls go by it: whose a key is, and the way there.

use std::sync::Arc;

use super::super::{
    NodeState, Nodes, Operation,
    connection::Connection,
    redis::{Slots, slot_of},
};
use super::{Shared, Trip};
use crate::command::{Reply, Request, Scope};
use crate::env::sync::lock;
use crate::fault::{Fault, FaultKind};

/// The most calls that wait for the first map; one more is refused.
pub(super) const MOST_EARLY: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct Map {
    pub(super) slots: Slots,
    /// One for each server of `slots`, in their order.
    pub(super) shards: Vec<Shard>,
    /// Servers without slots to which some are on their way; the latest last.
    pub(super) importers: Vec<Shard>,
    /// What came before the first map, and releases that no server can be sent now.
    pub(super) early: Vec<Operation>,
    /// Why there is no map, where there should be one.
    pub(super) missing: Option<Fault>,
}

#[derive(Clone, Debug)]
pub(super) struct Shard {
    pub(super) server: Arc<str>,
    /// Who it is in the cluster.
    pub(super) id: Arc<str>,
    pub(super) state: Arc<NodeState>,
    pub(super) connection: Arc<Connection>,
}

/// Whom a call concerns.
pub(super) enum Concerns {
    One(Shard),
    All(Vec<Shard>),
    Nobody(Fault),
    /// The map is not there yet.
    Unknown,
}

impl Map {
    /// Whether there is nothing to do about a map.
    fn is_up_to_date(&self, slots: &Slots) -> bool {
        self.slots == *slots && self.early.is_empty()
    }

    pub(super) fn shard_of(&self, slot: u16) -> Option<&Shard> {
        self.shards.get(self.slots.server_of(slot)?)
    }

    /// Keeps a release for the next map.
    pub(super) fn defer(&mut self, op: &Operation, nodes: Option<Arc<Nodes>>) {
        if op.must_arrive()
            && let Some(nodes) = nodes
        {
            self.early.push(op.clone().deferred(nodes.now()));
        }
    }

    pub(super) fn concerns(&self, request: &Request) -> Concerns {
        if self.slots.is_empty() {
            return self
                .missing
                .clone()
                .map_or(Concerns::Unknown, Concerns::Nobody);
        }
        if request.command.facts().scope == Scope::Node {
            return Concerns::All(self.shards.clone());
        }
        let slot = slot_of(request.key.lock());
        self.shard_of(slot).cloned().map_or_else(
            || {
                Concerns::Nobody(Fault::untouched(
                    FaultKind::Other,
                    format!("no server of the cluster has slot {slot}, which the key belongs to"),
                ))
            },
            Concerns::One,
        )
    }
}

impl Shared {
    /// Goes by another map from now on.
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
                // A server whose address cannot be one: the next look may tell better.
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
                // The old one will do: each connection knows whether its server is reachable.
                return;
            }
            map.missing = Some(fault.clone());
            let early = std::mem::take(&mut map.early);
            for op in &early {
                map.defer(op, self.nodes.upgrade());
            }
            early
        };
        if let Some(nodes) = self.nodes.upgrade() {
            nodes.states[self.index].went_down(fault);
        }
        for op in early {
            op.answer(Reply::Failed(fault.clone()));
        }
    }

    pub(super) fn is_well(&self) -> bool {
        let map = lock(&self.map);
        !map.slots.is_empty() && map.shards.iter().all(|shard| shard.state.is_up())
    }
}
