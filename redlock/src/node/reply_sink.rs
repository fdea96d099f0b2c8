//! Where the replies to a request go: a round.

use std::sync::Arc;

#[cfg(feature = "cluster")]
use super::NodeState;
use crate::{
    command::{KeyState, Reply, Request},
    env::clock::Instant,
};

/// Takes the replies to a request, of all nodes. Called by the task that read the reply, so it must be quick.
pub(crate) trait ReplySink: Send + Sync {
    fn request(&self) -> &Request;

    /// Whether anybody still wants the request sent.
    fn wanted(&self) -> bool;

    /// The reply of a node.
    fn vote(&self, node: usize, reply: Reply);

    /// The request was written to the node's connection.
    fn sent(&self, _node: usize) {}

    /// What to send later, when nobody waits for the vote any more: as small as possible, since there may be thousands.
    /// `None` where this is that already.
    fn deferred(&self, _now: Instant) -> Option<Arc<dyn ReplySink>> {
        None
    }

    /// Whether the request goes to the cluster server that the key's slot is being moved to.
    fn is_importing(&self) -> bool {
        false
    }

    /// The cluster server that votes, before its vote.
    #[cfg(feature = "cluster")]
    fn voter(&self, _node: usize, _server: &Arc<NodeState>) {}

    /// The request was sent to the node a second time, since its reply was lost with the connection. The first one may
    /// still arrive.
    fn asked_again(&self, _node: usize) {}

    /// The answer to [`Inspect`](crate::command::Inspect), before its vote.
    fn observed(&self, _node: usize, _state: KeyState) {}
}
