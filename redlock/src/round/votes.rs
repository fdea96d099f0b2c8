//! The votes of a round as they arrive, and the waiters that they wake.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::late_votes::{LateVoteObserver, LateVotes};
use crate::{command::Reply, node::NodeState, quorum::tally::Tally};

/// Maximum number of waiters besides the first. A further one continues at its deadline.
const OTHER_WAKERS: usize = 4;

pub(super) struct Votes {
    pub(super) tally: Tally,
    /// For nodes that are clusters: the server that voted.
    pub(super) voters: Vec<(usize, Arc<NodeState>)>,
    /// The deadline passed before the decision, so nodes that are silent have failed.
    pub(super) overdue: bool,
    /// The node whose vote alone wakes the waiter.
    pub(super) awaited: Option<usize>,
    pub(super) late_votes: Option<LateVotes>,
    waker: Option<Waker>,
    /// Further waiters: the next local waiter also waits for a release, to learn whether it notified another process.
    other_wakers: Vec<Waker>,
}

/// What a vote causes, after the lock of the votes is released.
#[must_use]
pub(super) struct Effects {
    waker: Option<Waker>,
    other_wakers: Vec<Waker>,
    _observer: Option<Arc<dyn LateVoteObserver>>,
}

impl Votes {
    pub(super) fn new(tally: Tally) -> Self {
        Self {
            tally,
            voters: Vec::new(),
            overdue: false,
            awaited: None,
            late_votes: None,
            waker: None,
            other_wakers: Vec::new(),
        }
    }

    /// Counts a vote. There is one wake-up for each round, by the decision, and one more if a
    /// single node is asked first.
    pub(super) fn record(&mut self, node: usize, reply: Reply) -> Effects {
        self.tally.record(node, reply);
        let wakes =
            self.waker.is_some() && (self.awaited == Some(node) || self.tally.decision().is_some());
        let (waker, other_wakers) = if wakes {
            (self.waker.take(), mem::take(&mut self.other_wakers))
        } else {
            (None, Vec::new())
        };
        let late_votes = self.late_votes.as_ref();
        Effects {
            waker,
            other_wakers,
            _observer: late_votes.and_then(|late_votes| late_votes.report(&self.tally)),
        }
    }

    /// Ready with what `look` returns. Otherwise `cx` is woken by the next decision.
    pub(super) fn poll<T>(
        &mut self,
        cx: &Context<'_>,
        look: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Poll<T> {
        match look(self) {
            Some(found) => Poll::Ready(found),
            None => {
                self.register(cx.waker());
                Poll::Pending
            }
        }
    }

    fn register(&mut self, waker: &Waker) {
        let known = |other: &Waker| other.will_wake(waker);
        if self.waker.as_ref().is_none_or(known) {
            self.waker.get_or_insert_with(|| waker.clone());
        } else if !self.other_wakers.iter().any(known) {
            self.other_wakers.truncate(OTHER_WAKERS - 1);
            self.other_wakers.push(waker.clone());
        }
    }
}

impl Effects {
    pub(super) fn run(self) {
        // Most votes wake nobody, and others are only woken with the first.
        if let Some(waker) = self.waker {
            waker.wake();
            self.other_wakers.into_iter().for_each(Waker::wake);
        }
    }
}
