//! Late votes: a round that is won continues in the background until its last node has voted.

use std::sync::{Arc, Weak};

use crate::quorum::{node_set::NodeSet, tally::Tally};

/// Learns from late votes which nodes have to be sent a release.
pub(crate) trait LateVoteObserver: Send + Sync {
    /// The nodes that may hold the key. Called once at the start, and again with every later vote.
    fn touched(&self, nodes: NodeSet);
}

/// The observer of a round. Weak, since a lease ends without waiting for late votes.
pub(super) struct LateVotes {
    observer: Weak<dyn LateVoteObserver>,
    /// Nodes that may hold the key from earlier rounds of the attempt.
    earlier: NodeSet,
}

impl LateVotes {
    pub(super) fn new(observer: &Arc<impl LateVoteObserver + 'static>, earlier: NodeSet) -> Self {
        Self {
            observer: Arc::downgrade(observer) as Weak<dyn LateVoteObserver>,
            earlier,
        }
    }

    /// Reports the votes so far. Returns the observer, to be dropped outside of the votes' lock: this may be its last
    /// reference, and its drop sends commands.
    pub(super) fn report(&self, tally: &Tally) -> Option<Arc<dyn LateVoteObserver>> {
        let observer = self.observer.upgrade()?;
        observer.touched(tally.touched().union(self.earlier));
        Some(observer)
    }
}
