//! Where the replies to a request go: a round.

use std::sync::Arc;

#[cfg(feature = "cluster")]
use super::NodeState;
use crate::{
    command::{Reply, Request},
    env::clock::Instant,
};

/// Receives the replies of all nodes to one request. Called by the task that read the reply, so it
/// must be quick.
pub(crate) trait ReplySink: Send + Sync {
    fn request(&self) -> &Request;

    /// Whether the request should still be sent.
    fn wanted(&self) -> bool;

    /// The reply of a node.
    fn vote(&self, node: usize, reply: Reply);

    /// The request was written to the node's connection.
    fn sent(&self, _node: usize) {}

    /// What to send later, when nobody waits for the vote any more. As small as possible, since
    /// there may be thousands. `None` if this is already that form.
    fn deferred(&self, _now: Instant) -> Option<Arc<dyn ReplySink>> {
        None
    }

    /// Since when it is in that form.
    fn deferred_since(&self) -> Option<Instant> {
        None
    }

    /// Whether the request goes to the server that imports the key's slot.
    fn is_importing(&self) -> bool {
        false
    }

    /// The server of a cluster that votes. Called before its vote.
    #[cfg(feature = "cluster")]
    fn voter(&self, _node: usize, _server: &Arc<NodeState>) {}

    /// The request was sent a second time, since its reply was lost with the connection. The first
    /// one may still arrive.
    fn asked_again(&self, _node: usize) {}
}
