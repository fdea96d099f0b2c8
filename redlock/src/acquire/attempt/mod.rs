//! One attempt: a round, and up to two more if tokens were stale. It is made again if votes did not count yet.

mod failure;
mod node_order;
mod prerequisites;
mod rollback;

use std::{sync::Arc, time::Duration};

pub(super) use self::{
    failure::{Failure, Series},
    prerequisites::meet as meet_prerequisites,
    rollback::Adoption,
};
use self::{node_order::node_order, rollback::Rollback};
use crate::{
    command::{Inbox, Owner},
    core::Core,
    env::clock::Instant,
    error::NodeError,
    events::lock as events,
    fault::FaultKind,
    key::Key,
    lease::{Grant, LeaseOptions},
    node::{ConnectionSet, Nodes},
    quorum::{
        node_set::NodeSet,
        tally::{Decision, Tally},
        token_block::TokenBlock,
        validity,
    },
    round::Round,
};

/// The first round, and two more if tokens were stale.
const ROUNDS: u32 = 3;

/// How often an attempt is made while the nodes do not know each other yet.
const TRIES: u32 = 3;

/// How long to wait for the errors of the last nodes once a quorum is impossible.
const LAST_CAUSES: Duration = Duration::from_millis(10);

/// What an attempt requests from the nodes, and how.
pub(super) struct Attempt<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) connections: &'a Arc<ConnectionSet>,
    pub(super) key: &'a Arc<Key>,
    pub(super) options: LeaseOptions,
    /// The deadline of the whole attempt.
    pub(super) within: Duration,
    /// Whether tokens for local hand-overs are reserved too.
    pub(super) reserves_block: bool,
    /// Breaks ties between split votes.
    pub(super) one_node_first: bool,
    /// Abandon a split vote at half-time when silent nodes keep it undecided, so that there is time to retry.
    pub(super) abandon_splits: bool,
    /// If the key is held, the nodes notify this inbox when it is free.
    pub(super) inbox: Option<&'a Inbox>,
    /// Takes over a lock that was detached, rather than a free one.
    pub(super) adopts: Option<Adoption>,
}

/// The time that an attempt has.
struct Deadline<'a> {
    nodes: &'a Nodes,
    begun: Instant,
    within: Duration,
    /// A further round has time for a reply, however late the previous one was decided.
    least: Duration,
}

impl Deadline<'_> {
    fn left(&self) -> Duration {
        let passed = self.nodes.now().saturating_since(self.begun);
        self.within.saturating_sub(passed).max(self.least)
    }
}

impl Attempt<'_> {
    /// Makes the attempt. Whatever it may have written is rolled back unless it is granted, also when the future is dropped.
    ///
    /// `floor` is the highest fence seen for the key. The fences in the replies raise it.
    pub(super) async fn run(&self, floor: &mut u64) -> Result<Grant, Failure> {
        let nodes = &*self.core.nodes;
        let mut deadline = Deadline {
            nodes,
            begun: nodes.now(),
            within: self.within,
            least: Duration::ZERO,
        };
        if prerequisites::are_missing(nodes, self.options.fencing) {
            // Boxed, since it is rare and takes more memory than an attempt.
            Box::pin(self.meet_prerequisites(&mut deadline)).await?;
        }
        let mut tries = 1;
        loop {
            let outcome = self.run_once(floor, &mut deadline).await;
            match &outcome {
                Err(Failure::NoQuorum { errors, .. })
                    if tries < TRIES && self.count_by_now(errors, &deadline).await =>
                {
                    tries += 1;
                    deadline.least = self.within / 5;
                }
                _ => return outcome,
            }
        }
    }

    /// Each run has an owner of its own. What it may have written is rolled back before the next run begins.
    async fn run_once(
        &self,
        floor: &mut u64,
        deadline: &mut Deadline<'_>,
    ) -> Result<Grant, Failure> {
        let nodes = deadline.nodes;
        let owner = Owner::fresh(self.core.defaults.label).ok_or(Failure::NoRandomness)?;
        let mut rollback = Rollback::new(
            self.core,
            self.connections,
            self.key,
            self.options,
            owner,
            self.adopts,
        );
        let mut rounds = 1;
        loop {
            let started = nodes.now();
            let tokens = self.propose(started, *floor)?;
            let order = self.one_node_first.then(|| node_order(nodes, self.key));
            let first = order.as_ref().and_then(|order| order.first().copied());
            let targets = first.map_or(NodeSet::all(nodes.len()), NodeSet::only);
            let round = rollback.start_round(tokens, self.inbox, targets);
            let order = order.unwrap_or_default();
            let (decision, by_first) = self.ask(&round, &order, &mut rollback, deadline).await;
            self.learn(&round, floor);
            match decision {
                Decision::Won => return self.won(&mut rollback, round, started, rounds),
                Decision::Stale if rounds < ROUNDS => {
                    // Above the tokens that this attempt itself has reserved on nodes that granted it.
                    *floor = (*floor).max(rollback.last_token());
                    rounds += 1;
                    deadline.least = self.within / 5;
                }
                Decision::Stale | Decision::Refused | Decision::Gone => {
                    return Err(round.with_tally(|tally| refused(tally, by_first)));
                }
                Decision::NoQuorum => return Err(self.no_quorum(&round, deadline).await),
            }
        }
    }

    async fn meet_prerequisites(&self, deadline: &mut Deadline<'_>) -> Result<(), Failure> {
        let fencing = self.options.fencing;
        let is_first_contact = prerequisites::is_first_contact(deadline.nodes, fencing);
        let left = || deadline.left();
        prerequisites::meet(self.core, self.connections, self.key, fencing, left).await?;
        // For a request that does not wait, the time of the attempt starts after the first contact. For one that waits, the
        // first contact is part of the wait. Later, waiting for a node to come back is part of the attempt.
        if self.abandon_splits && is_first_contact {
            deadline.begun = deadline.nodes.now();
        }
        Ok(())
    }

    fn propose(&self, now: Instant, floor: u64) -> Result<TokenBlock, Failure> {
        if !self.options.fencing {
            return Ok(TokenBlock::NONE);
        }
        let first = self.core.nodes.tokens.propose(now, floor);
        let first = first.ok_or(Failure::NoToken)?;
        Ok(if self.reserves_block {
            TokenBlock::starting_at(first)
        } else {
            TokenBlock::single(first)
        })
    }

    /// Returns the decision of the round, and whether the first node of the `order` made it alone.
    async fn ask(
        &self,
        round: &Arc<Round>,
        order: &[usize],
        rollback: &mut Rollback<'_>,
        deadline: &Deadline<'_>,
    ) -> (Decision, bool) {
        if self.ask_in_order(round, order, rollback, deadline).await {
            return (Decision::Refused, true);
        }
        if !order.is_empty() {
            rollback.send_to(round, NodeSet::all(self.core.nodes.len()));
        }
        if self.abandon_splits {
            if let Some(decision) = round.early_decision(deadline.left() / 2).await {
                return (decision, false);
            }
            if round.with_tally(Tally::is_contended) {
                return (Decision::Refused, false);
            }
        }
        (round.decision(deadline.left()).await, false)
    }

    /// Asks one node after the other until one votes. Returns whether that node refused.
    async fn ask_in_order(
        &self,
        round: &Arc<Round>,
        order: &[usize],
        rollback: &mut Rollback<'_>,
        deadline: &Deadline<'_>,
    ) -> bool {
        for &node in order {
            rollback.send_to(round, NodeSet::only(node));
            // All contenders skip a silent node, while there is time to ask the others.
            round.vote_of(node, deadline.left() / 4).await;
            let (voted, refused) = round.with_tally(|tally| {
                let voted = tally.has_voted(node) && !tally.has_failed(node);
                // A cool-down on one node may be a leftover, so the others are asked too.
                (voted, tally.said_no(node) && !tally.is_cooling())
            });
            if voted {
                return refused;
            }
        }
        false
    }

    /// Whether votes that did not count count by now: each node that connects meanwhile has to accept the list first.
    async fn count_by_now(&self, errors: &[NodeError], deadline: &Deadline<'_>) -> bool {
        let (nodes, lists) = (deadline.nodes, &deadline.nodes.lists);
        let uncounted = |error: &NodeError| error.kind() == FaultKind::OtherNodes;
        if !errors.iter().any(uncounted) || lists.refusal(nodes.now()).is_some() {
            return false;
        }
        lists
            .until_complete(deadline.left() / 2, || nodes.now())
            .await;
        lists.is_complete()
    }

    /// Raises `floor` to the fences in the replies, whatever the decision.
    fn learn(&self, round: &Round, floor: &mut u64) {
        let fence = round.with_tally(|tally| tally.fence);
        if fence > *floor {
            *floor = fence;
            let nodes = &self.core.nodes;
            if let Some(beyond) = nodes.tokens.learn(fence, nodes.now()) {
                events::fence_beyond_skew(self.key, beyond);
            }
        }
    }

    fn won(
        &self,
        rollback: &mut Rollback<'_>,
        round: Arc<Round>,
        started: Instant,
        rounds: u32,
    ) -> Result<Grant, Failure> {
        let took = self.core.now().saturating_since(started);
        if took >= validity::usable(self.options.ttl) {
            return Err(Failure::Expired { took });
        }
        let (claim, earlier) = rollback.disarm();
        Ok(Grant {
            claim,
            started,
            earlier,
            round,
            rounds,
        })
    }

    async fn no_quorum(&self, round: &Round, deadline: &Deadline<'_>) -> Failure {
        round.all_votes(deadline.left().min(LAST_CAUSES)).await;
        let (able, errors) = round.faults(&self.core.nodes.states);
        Failure::NoQuorum { able, errors }
    }
}

/// `by_first`: only the node that all contenders ask first has voted, and it refused. The contender with the vote of that node
/// asks the others next, so the votes are not split.
fn refused(tally: &Tally, by_first: bool) -> Failure {
    match tally.cooling_down() {
        Some(left) => Failure::CoolingDown { left },
        None => {
            let split = tally.is_split() && !by_first;
            Failure::Refused {
                free_in: tally.quorum_free_in(),
                left: tally.holder_left(),
                by: tally.holder_label().filter(|_| !split),
                split,
                notified: tally.will_notify(),
            }
        }
    }
}
