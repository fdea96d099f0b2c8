//! The map of slots, and the connection to each server in it.

use std::sync::Arc;

use super::super::{NodeState, Nodes, Operation, connection::Connection, redis::Slots};
use crate::{
    command::{Request, Scope},
    fault::{Fault, FaultKind},
    key::slot::slot_of,
};

/// Maximum number of operations that wait for the first map; a further one is refused.
pub(super) const MAX_EARLY: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct Map {
    pub(super) slots: Slots,
    /// One for each server of `slots`, in their order.
    pub(super) shards: Vec<Shard>,
    /// Servers without slots that import some; the latest last.
    pub(super) importers: Vec<Shard>,
    /// Operations that came before the first map, and releases that can be sent to no server now.
    pub(super) early: Vec<Operation>,
    /// Why there is no map although there should be one.
    pub(super) missing: Option<Fault>,
    /// The runtime has ended, so there is no next map: another runtime delivers the releases.
    pub(super) ended: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Shard {
    pub(super) server: Arc<str>,
    /// The id of the server in the cluster.
    pub(super) id: Arc<str>,
    pub(super) state: Arc<NodeState>,
    pub(super) connection: Arc<Connection>,
}

/// Which servers a request goes to.
pub(super) enum Recipients {
    One(Shard),
    All(Vec<Shard>),
    None(Fault),
    /// There is no map yet.
    Unknown,
}

impl Map {
    /// Whether there is nothing to do about a map with these slots.
    pub(super) fn is_up_to_date(&self, slots: &Slots) -> bool {
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
            let op = op.clone().deferred(nodes.now());
            if self.ended {
                nodes.outbox.push([op]);
            } else {
                self.early.push(op);
            }
        }
    }

    /// There is no map. Returns the operations that waited for it, to be answered; releases are kept.
    pub(super) fn fail_early(
        &mut self,
        fault: &Fault,
        nodes: Option<&Arc<Nodes>>,
    ) -> Vec<Operation> {
        self.missing = Some(fault.clone());
        let early = std::mem::take(&mut self.early);
        for op in &early {
            self.defer(op, nodes.cloned());
        }
        early
    }

    pub(super) fn recipients(&self, request: &Request) -> Recipients {
        if self.slots.is_empty() {
            return self
                .missing
                .clone()
                .map_or(Recipients::Unknown, Recipients::None);
        }
        if request.command.facts().scope == Scope::Node {
            return Recipients::All(self.shards.clone());
        }
        let slot = slot_of(request.key.lock());
        self.shard_of(slot).cloned().map_or_else(
            || {
                Recipients::None(Fault::untouched(
                    FaultKind::Unreachable,
                    format!("no server of the cluster has slot {slot}, which the key belongs to"),
                ))
            },
            Recipients::One,
        )
    }
}
