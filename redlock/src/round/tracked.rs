//! A release on its way to the nodes, for which closing the client waits. Only the connections keep it, so that whoever looks at
//! the votes of its round, and for however long, does not keep the client from closing.

use std::sync::Arc;

use super::deferred::Deferred;
#[cfg(feature = "cluster")]
use crate::node::NodeState;
use crate::{
    command::{Reply, Request},
    env::{clock::Instant, pending::Pending},
    node::ReplySink,
};

pub(super) struct Tracked {
    round: Arc<dyn ReplySink>,
    pending: Pending,
}

impl Tracked {
    pub(super) fn sink(round: Arc<dyn ReplySink>, pending: Pending) -> Arc<dyn ReplySink> {
        Arc::new(Self { round, pending })
    }
}

impl ReplySink for Tracked {
    fn request(&self) -> &Request {
        self.round.request()
    }

    fn wanted(&self) -> bool {
        self.round.wanted()
    }

    fn vote(&self, node: usize, reply: Reply) {
        self.round.vote(node, reply);
    }

    fn sent(&self, node: usize) {
        self.round.sent(node);
    }

    fn deferred(&self, now: Instant) -> Option<Arc<dyn ReplySink>> {
        Some(Deferred::sink(
            self.round.request(),
            Some(&self.pending),
            now,
        ))
    }

    #[cfg(feature = "cluster")]
    fn voter(&self, node: usize, server: &Arc<NodeState>) {
        self.round.voter(node, server);
    }

    fn asked_again(&self, node: usize) {
        self.round.asked_again(node);
    }
}
