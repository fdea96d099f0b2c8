//! An operation on its way to the server that has its key, and whether the reply counts.

use std::sync::{Arc, Weak};

use super::{
    super::{NodeState, Operation, ReplySink, redis::redirection},
    Shared,
    shared::of_server,
};
use crate::{
    command::{Reply, Request},
    env::clock::Instant,
};

/// How often an operation was redirected.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trip {
    pub(super) hops: u32,
    pub(super) retries: u32,
    /// When it was first refused because its slot is being moved.
    pub(super) since: Option<Instant>,
}

/// An operation on its way to the server that has its key.
pub(super) struct Routed {
    pub(super) op: Operation,
    pub(super) cluster: Weak<Shared>,
    pub(super) server: Arc<NodeState>,
    /// The id of the server that has the slot: this one, or the one that it is imported from.
    pub(super) id: Arc<str>,
    pub(super) trip: Trip,
    /// The server imports the slot.
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
            cluster: Weak::clone(&self.cluster),
            server: Arc::clone(&self.server),
            id: Arc::clone(&self.id),
            trip: self.trip,
            importing: self.importing,
        }))
    }

    fn deferred_since(&self) -> Option<Instant> {
        self.op.sink.deferred_since()
    }

    fn vote(&self, _: usize, reply: Reply) {
        let Reply::Failed(fault) = reply else {
            self.op.sink.voter(self.op.node, &self.server);
            return self.op.answer(self.apply_quarantine(reply));
        };
        if let Some(cluster) = self.cluster.upgrade() {
            let to = redirection(&fault, self.server.name());
            if to.is_some_and(|to| cluster.redirect(self, to)) {
                return;
            }
            // Another server may have taken over, whatever the fault is.
            cluster.doubted.notify_one();
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
}

impl Routed {
    /// Neither a yes nor a "gone" counts if the server may not know the locks of the slot.
    fn apply_quarantine(&self, reply: Reply) -> Reply {
        let counts = matches!(
            reply,
            Reply::Yes | Reply::Restored | Reply::Gone | Reply::Register(_)
        );
        if !counts {
            return reply;
        }
        let no_vote = self
            .cluster
            .upgrade()
            .and_then(|cluster| cluster.no_vote(self.op.sink.request(), &self.id, self.importing));
        match no_vote {
            Some(fault) => Reply::Failed(of_server(self.server.name(), &fault)),
            None => self.since_last_move(reply),
        }
    }

    /// A server that took over a slot may not know the registers in it.
    fn since_last_move(&self, mut reply: Reply) -> Reply {
        if let Reply::Register(answer) = &mut reply
            && let Some(moved_at) = self
                .cluster
                .upgrade()
                .and_then(|cluster| cluster.moved_at())
        {
            answer.remembers_since = answer.remembers_since.max(moved_at);
        }
        reply
    }
}
