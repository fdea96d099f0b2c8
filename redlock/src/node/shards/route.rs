//! A call on its way to the server that has its key, and what the reply is worth.

use std::sync::{Arc, Weak};

use super::super::{NodeState, Operation, ReplySink, redis::redirection};
use super::{
    Shared, Trip,
    fan_out::FanOut,
    map::{Concerns, MOST_EARLY, Shard},
    of_server,
};
use crate::command::{KeyState, Reply, Request};
use crate::env::{clock::Instant, sync::lock};
use crate::fault::{Fault, FaultKind};

impl Shared {
    pub(super) fn submit(self: &Arc<Self>, op: Operation, trip: Trip) {
        let concerns = {
            let mut map = lock(&self.map);
            let concerns = map.concerns(op.sink.request());
            match &concerns {
                Concerns::Unknown if map.early.len() < MOST_EARLY || op.must_arrive() => {
                    map.early.push(op);
                    return;
                }
                Concerns::Nobody(_) => map.defer(&op, self.nodes.upgrade()),
                _ => {}
            }
            concerns
        };
        // Answers may come at once, so not under the lock.
        match concerns {
            Concerns::One(shard) => {
                let id = Arc::clone(&shard.id);
                self.send(op, shard, id, trip, false);
            }
            Concerns::All(shards) => FanOut::send(self, &op, shards),
            Concerns::Nobody(fault) => {
                self.doubted.notify_one();
                op.answer(Reply::Failed(fault));
            }
            Concerns::Unknown => op.answer(Reply::Failed(Fault::untouched(
                FaultKind::Backlog,
                format!("{MOST_EARLY} operations wait for this cluster already"),
            ))),
        }
    }

    /// Sends `op` to a server, in the place of the server `id` where the slot is on its way.
    pub(super) fn send(
        self: &Arc<Self>,
        op: Operation,
        shard: Shard,
        id: Arc<str>,
        trip: Trip,
        importing: bool,
    ) {
        let node = op.node;
        let routed = Routed {
            op,
            shards: Arc::downgrade(self),
            server: shard.state,
            id,
            trip,
            importing,
        };
        shard.connection.submit(Operation {
            sink: Arc::new(routed),
            node,
        });
    }
}

/// A call on its way to the server that has its key.
pub(super) struct Routed {
    pub(super) op: Operation,
    pub(super) shards: Weak<Shared>,
    pub(super) server: Arc<NodeState>,
    /// Who has the slot: the server, or the one that it is on its way from.
    pub(super) id: Arc<str>,
    pub(super) trip: Trip,
    /// The slot is on its way to the server.
    pub(super) importing: bool,
}

impl ReplySink for Routed {
    fn request(&self) -> &Request {
        self.op.sink.request()
    }

    fn wanted(&self) -> bool {
        self.op.sink.wanted()
    }

    fn sent(&self, node: usize) {
        self.op.sink.sent(node);
    }

    fn deferred(&self, now: Instant) -> Option<Arc<dyn ReplySink>> {
        let op = Operation {
            sink: self.op.sink.deferred(now)?,
            node: self.op.node,
        };
        Some(Arc::new(Self {
            op,
            shards: Weak::clone(&self.shards),
            server: Arc::clone(&self.server),
            id: Arc::clone(&self.id),
            trip: self.trip,
            importing: self.importing,
        }))
    }

    fn vote(&self, _: usize, reply: Reply) {
        let Reply::Failed(fault) = reply else {
            self.op.sink.voter(self.op.node, &self.server);
            return self.op.answer(self.apply_quarantine(reply));
        };
        if let Some(shards) = self.shards.upgrade() {
            let to = redirection(&fault, self.server.name());
            if to.is_some_and(|to| shards.redirect(self, to)) {
                return;
            }
            // Whatever it is, another server may have taken over.
            shards.doubted.notify_one();
        }
        self.op
            .answer(Reply::Failed(of_server(self.server.name(), &fault)));
    }

    fn voter(&self, node: usize, server: &Arc<NodeState>) {
        self.op.sink.voter(node, server);
    }

    fn asked_again(&self, node: usize) {
        self.op.sink.asked_again(node);
    }

    fn is_importing(&self) -> bool {
        self.importing
    }

    fn observed(&self, node: usize, sight: KeyState) {
        self.op.sink.observed(node, sight);
    }
}

impl Routed {
    /// What a reply is worth: neither a yes nor a "gone" of a server counts that may not know the slot's locks.
    fn apply_quarantine(&self, reply: Reply) -> Reply {
        if !matches!(reply, Reply::Yes | Reply::Restored | Reply::Gone) {
            return reply;
        }
        let no_vote = self
            .shards
            .upgrade()
            .and_then(|shards| shards.no_vote(self.op.sink.request(), &self.id, self.importing));
        match no_vote {
            Some(fault) => Reply::Failed(of_server(self.server.name(), &fault)),
            None => reply,
        }
    }
}
