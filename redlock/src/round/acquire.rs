//! Acquiring: one attempt, of one round or, after stale tokens, of up to three.

use std::{sync::Arc, time::Duration};

use super::{Round, release};
use crate::{
    clock::Instant,
    error::NodeError,
    key::Key,
    node::{Call, Driver, Nodes, Owner, What},
    pending::Tracker,
    protocol::{
        validity,
        votes::{Decision, NodeSet, Question, quorum},
    },
};

/// Rounds of one attempt: the first, and two more where tokens were stale.
const ROUNDS: u32 = 3;

/// What is asked of the nodes.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) key: Arc<Key>,
    pub(crate) ttl: Duration,
    pub(crate) fencing: bool,
    /// The highest fence seen for the key so far.
    pub(crate) floor: u64,
}

/// A majority said yes to one token of one round, and validity is left.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) owner: Owner,
    pub(crate) token: Option<u64>,
    pub(crate) started: Instant,
    /// Nodes that may hold the key for this owner from rounds before the winning one.
    pub(crate) earlier: NodeSet,
    pub(crate) round: Arc<Round>,
    pub(crate) rounds: u32,
}

/// Why an attempt won nothing. Whatever it wrote is on its way to be deleted.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Others hold the key, or the votes were split.
    Refused {
        /// When a quorum can be free, by the leases that were told.
        free_in: Option<Duration>,
        /// What the holder has left; `None` where no holder was seen.
        left: Option<Duration>,
    },
    NoQuorum {
        votes: usize,
        nodes: Vec<NodeError>,
    },
    /// Granted, but nothing was left of it.
    Expired {
        took: Duration,
    },
    /// No token is left below the limit, by a fence that was seen.
    NoToken,
}

/// One attempt. On any end but a grant, and when dropped, what it may have written is released behind it.
///
/// `within` bounds the whole attempt. The highest fence seen is written back to `ask`.
pub(crate) async fn attempt(
    nodes: &Arc<Nodes>,
    driver: &Arc<Driver>,
    tracker: &Arc<Tracker>,
    ask: &mut Ask,
    within: Duration,
) -> Result<Grant, Failure> {
    let begun = nodes.now();
    let mut undo = Undo {
        nodes,
        driver,
        tracker,
        key: &ask.key,
        owner: Owner::fresh(),
        token: None,
        give_up: begun,
        earlier: NodeSet::default(),
        round: None,
        armed: true,
    };
    let mut number = 1;
    loop {
        let started = nodes.now();
        let token = if ask.fencing {
            Some(
                nodes
                    .tokens
                    .propose(started, ask.floor)
                    .ok_or(Failure::NoToken)?,
            )
        } else {
            None
        };
        let round = undo.next_round(ask.ttl, token, started);
        let left = within.saturating_sub(started.saturating_since(begun));
        let decision = round.decided(left).await;
        let fence = round.with_tally(|tally| tally.fence);
        if fence > ask.floor {
            ask.floor = fence;
            if let Some(beyond) = nodes.tokens.learn(fence, nodes.now()) {
                tracing::warn!(
                    key = %ask.key, ?beyond,
                    "a fence lies beyond the clock-skew bound: a clock was far ahead when it was written"
                );
            }
        }
        match decision {
            Decision::Won => {
                let took = nodes.now().saturating_since(started);
                if took >= validity::usable(ask.ttl) {
                    return Err(Failure::Expired { took });
                }
                undo.armed = false;
                return Ok(Grant {
                    owner: undo.owner,
                    token,
                    started,
                    earlier: undo.earlier,
                    round,
                    rounds: number,
                });
            }
            Decision::Stale if number < ROUNDS => number += 1,
            Decision::Stale | Decision::Refused | Decision::Gone => {
                let (free_in, left) =
                    round.with_tally(|tally| (tally.quorum_free_in(), tally.holder_left()));
                return Err(Failure::Refused { free_in, left });
            }
            Decision::NoQuorum => {
                let votes = round.with_tally(crate::protocol::votes::Tally::confirmed);
                return Err(Failure::NoQuorum {
                    votes,
                    nodes: round.node_errors(&nodes.states),
                });
            }
        }
    }
}

/// Releases what an attempt may have written, unless it won.
struct Undo<'a> {
    nodes: &'a Arc<Nodes>,
    driver: &'a Arc<Driver>,
    tracker: &'a Arc<Tracker>,
    key: &'a Arc<Key>,
    owner: Owner,
    token: Option<u64>,
    give_up: Instant,
    earlier: NodeSet,
    round: Option<Arc<Round>>,
    armed: bool,
}

impl Undo<'_> {
    fn next_round(&mut self, ttl: Duration, token: Option<u64>, started: Instant) -> Arc<Round> {
        if let Some(round) = self.round.take() {
            round.give_up();
            self.earlier = self
                .earlier
                .union(round.with_tally(crate::protocol::votes::Tally::touched));
        }
        self.token = token;
        self.give_up = started.after(ttl);
        let call = Call {
            key: Arc::clone(self.key),
            what: What::Acquire {
                owner: self.owner,
                ttl,
                token,
            },
        };
        let all = NodeSet::all(self.nodes.len());
        let round = Round::start(
            self.driver,
            self.nodes.len(),
            call,
            Question::Acquire,
            all,
            NodeSet::default(),
            None,
        );
        self.round = Some(Arc::clone(&round));
        round
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        let Some(round) = self.round.take().filter(|_| self.armed) else {
            return;
        };
        round.give_up();
        let touched = self
            .earlier
            .union(round.with_tally(crate::protocol::votes::Tally::touched));
        if touched.len() == 0 {
            return;
        }
        tracing::trace!(key = %self.key, nodes = touched.len(), quorum = quorum(self.nodes.len()), "attempt undone");
        release::release(
            self.nodes,
            self.driver,
            self.tracker,
            release::Release {
                key: Arc::clone(self.key),
                owner: self.owner,
                token: self.token,
                touched,
                give_up: self.give_up,
            },
        );
    }
}
