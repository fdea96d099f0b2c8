//! A round: one call to some nodes, and the decision that their votes make.

pub(crate) mod acquire;
pub(crate) mod extend;
pub(crate) mod fan_out;
pub(crate) mod release;
pub(crate) mod waitlist;

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Poll, Waker},
    time::Duration,
};

use self::release::deferred;
use crate::{
    command::{Reply, Request},
    env::{
        clock::{Clock, Instant},
        pending::Pending,
        sync::lock,
    },
    error::NodeError,
    fault::FaultKind,
    node::{ConnectionSet, NodeState, Nodes, Operation, ReplySink},
    quorum::votes::{AtomicNodeSet, Decision, NodeSet, Question, Tally},
};

/// One call on its way to the nodes. Votes are counted where they arrive; whoever waits is woken once.
pub(crate) struct Round {
    request: Request,
    states: Arc<[Arc<NodeState>]>,
    clock: Clock,
    given_up: AtomicBool,
    /// The nodes that a release is on its way to.
    sent: AtomicNodeSet,
    votes: Mutex<Votes>,
    /// Held by what must be delivered before a client is closed.
    pending: Option<Pending>,
}

/// What a won round leaves behind. The round itself is let go, and ends with its last vote.
pub(crate) trait LateVoteObserver: Send + Sync {
    /// The nodes that may hold what was asked for: told once, and again with every later vote.
    fn touched(&self, nodes: NodeSet);
}

struct Votes {
    tally: Tally,
    /// Of nodes that are clusters: the server that voted.
    voters: Vec<(usize, Arc<NodeState>)>,
    /// The deadline passed before the decision: who is silent is at fault.
    overdue: bool,
    /// The node that is waited for by itself.
    awaited: Option<usize>,
    /// Woken by the decision, or by the vote that is awaited.
    waker: Option<Waker>,
    /// With the nodes that earlier rounds touched.
    late_votes: Option<(Weak<dyn LateVoteObserver>, NodeSet)>,
    /// Who waits besides: for a release also the next in line, which is to know whom it woke.
    others: Vec<Waker>,
}

impl Round {
    /// Sends `request` to `targets`. `settled` nodes count as having said yes.
    pub(crate) fn start(
        connections: &ConnectionSet,
        nodes: &Nodes,
        request: Request,
        question: Question,
        targets: NodeSet,
        settled: NodeSet,
        pending: Option<Pending>,
    ) -> Arc<Self> {
        let mut tally = Tally::new(nodes.len(), question);
        for node in settled.iter() {
            tally.record(node, Reply::Yes);
        }
        let states = Arc::clone(&nodes.states);
        let round = Arc::new(Self::new(request, states, nodes.clock, tally, pending));
        round.send(connections, targets);
        round
    }

    fn new(
        request: Request,
        states: Arc<[Arc<NodeState>]>,
        clock: Clock,
        tally: Tally,
        pending: Option<Pending>,
    ) -> Self {
        Self {
            request,
            states,
            clock,
            given_up: AtomicBool::new(false),
            sent: AtomicNodeSet::new(NodeSet::default()),
            votes: Mutex::new(Votes {
                tally,
                voters: Vec::new(),
                overdue: false,
                awaited: None,
                waker: None,
                late_votes: None,
                others: Vec::new(),
            }),
            pending,
        }
    }

    /// Sends the call to further nodes.
    pub(crate) fn send(self: &Arc<Self>, connections: &ConnectionSet, targets: NodeSet) {
        for node in targets.iter() {
            connections.submit(Operation {
                sink: Arc::clone(self) as Arc<dyn ReplySink>,
                node,
            });
        }
    }

    /// Waits for the decision, at most this long. Cancel safe: the round goes on, and can be waited for again.
    pub(crate) async fn decided(&self, within: Duration) -> Decision {
        match self.decided_early(within).await {
            Some(decision) => decision,
            None => {
                let mut votes = lock(&self.votes);
                votes.overdue = true;
                self.retract_doubtful(&mut votes);
                votes.tally.decision_at_deadline()
            }
        }
    }

    /// Waits for the decision on a release, at most this long from when it was sent: what waits behind others in this
    /// process is no node's delay, and neither is a runtime that stalls. Cancel safe.
    pub(crate) async fn confirmed(&self, within: Duration) -> Decision {
        loop {
            let begun = self.clock.now();
            let silent: NodeSet = self.with_tally(|tally| tally.silent().collect());
            let all_sent = silent.minus(self.sent.load()).len() == 0;
            if let Some(decision) = self.decided_early(within).await {
                return decision;
            }
            let stalled = self.clock.now().saturating_since(begun) > within * 5 / 4;
            if all_sent && !stalled {
                return self.decided(Duration::ZERO).await;
            }
        }
    }

    /// Waits for the decision for a part of the time that it has. Cancel safe.
    pub(crate) async fn decided_early(&self, part: Duration) -> Option<Decision> {
        let decision = self.until(|votes| {
            self.retract_doubtful(votes);
            votes.tally.decision()
        });
        tokio::time::timeout(part, decision).await.ok()
    }

    /// Waits for one node's vote, at most this long. Cancel safe.
    pub(crate) async fn voted(&self, node: usize, within: Duration) {
        lock(&self.votes).awaited = Some(node);
        let voted = self.until(|votes| votes.tally.has_voted(node).then_some(()));
        // Silence is an answer too: the others are asked then.
        let _ = tokio::time::timeout(within, voted).await;
    }

    /// A node that has voted may turn out to have no vote: when one that is older is met after it.
    fn retract_doubtful(&self, votes: &mut Votes) {
        let Votes { tally, voters, .. } = votes;
        if self.request.command.needs_trust() && tally.decision() == Some(Decision::Won) {
            let now = self.clock.now();
            for node in tally.agreed().iter() {
                let voter = voters.iter().find(|(of, _)| *of == node);
                let voter = voter.map_or(&self.states[node], |(_, server)| server);
                let moved = self.states[node].moved(&self.request.key, now);
                if let Some(left) = voter.quarantined(now).or(moved) {
                    tally.retract(node, left);
                }
            }
        }
    }

    /// Waits for the votes that a decision did without, at most this long. Cancel safe.
    pub(crate) async fn complete(&self, within: Duration) {
        let complete = self.until(|votes| votes.tally.silent().next().is_none().then_some(()));
        let _ = tokio::time::timeout(within, complete).await;
    }

    async fn until<T>(&self, look: impl Fn(&mut Votes) -> Option<T>) -> T {
        poll_fn(|cx| {
            let mut votes = lock(&self.votes);
            match look(&mut votes) {
                Some(found) => Poll::Ready(found),
                None => {
                    votes.wake_later(cx.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// What has not been sent yet need not be.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Relaxed);
    }

    /// From now on `late_votes` knows which nodes to release, those that `earlier` rounds touched among them.
    pub(crate) fn observe_late_votes(
        &self,
        late_votes: &Arc<impl LateVoteObserver + 'static>,
        earlier: NodeSet,
    ) {
        let mut votes = lock(&self.votes);
        // Under the lock, so that no vote in between is told before.
        late_votes.touched(votes.tally.touched().union(earlier));
        votes.late_votes = Some((
            Arc::downgrade(late_votes) as Weak<dyn LateVoteObserver>,
            earlier,
        ));
    }

    /// Whether the release that this is woke another process, as far as nodes have answered.
    pub(crate) fn woke(&self) -> bool {
        self.with_tally(|tally| tally.woke)
    }

    pub(crate) fn with_tally<T>(&self, read: impl FnOnce(&Tally) -> T) -> T {
        read(&lock(&self.votes).tally)
    }

    /// Why no quorum was to be had: each node at fault with its cause, and how many were not.
    pub(crate) fn faults(&self, states: &[Arc<NodeState>]) -> (usize, Vec<NodeError>) {
        let votes = lock(&self.votes);
        let name = |node: usize| states.get(node).map_or("?", |state| state.name());
        let faults = votes.tally.faults().iter();
        let mut errors: Vec<NodeError> = faults
            .map(|(node, fault)| NodeError::of(name(*node), fault))
            .collect();
        let silence = match votes.overdue {
            true => "no answer in time",
            false => "no answer yet",
        };
        let silent = votes.tally.silent();
        errors.extend(silent.map(|node| NodeError::new(name(node), FaultKind::TimedOut, silence)));
        (states.len() - errors.len(), errors)
    }
}

impl Votes {
    fn wake_later(&mut self, waker: &Waker) {
        /// The most besides the first; who is one too many goes on at its deadline.
        const OTHERS: usize = 4;
        let known = |other: &Waker| other.will_wake(waker);
        if self.waker.as_ref().is_none_or(known) {
            self.waker.get_or_insert_with(|| waker.clone());
        } else if !self.others.iter().any(known) {
            self.others.truncate(OTHERS - 1);
            self.others.push(waker.clone());
        }
    }
}

impl ReplySink for Round {
    fn request(&self) -> &Request {
        &self.request
    }

    fn wanted(&self) -> bool {
        !self.given_up.load(Relaxed)
    }

    fn deferred(&self, now: Instant) -> Option<Arc<dyn ReplySink>> {
        let command = &self.request.command;
        command.must_arrive().then(|| {
            let request = Request {
                key: Arc::clone(&self.request.key),
                command: command.deferred(now).unwrap_or_else(|| command.clone()),
            };
            deferred(request, self.pending.as_ref().map(Pending::another))
        })
    }

    #[cfg(feature = "cluster")]
    fn voter(&self, node: usize, server: &Arc<NodeState>) {
        let mut votes = lock(&self.votes);
        if !votes.tally.has_voted(node) {
            votes.voters.retain(|(of, _)| *of != node);
            votes.voters.push((node, Arc::clone(server)));
        }
    }

    fn asked_again(&self, node: usize) {
        lock(&self.votes).tally.asked_again(node);
    }

    fn sent(&self, node: usize) {
        if self.pending.is_some() {
            self.sent.add(NodeSet::only(node));
        }
    }

    fn vote(&self, node: usize, reply: Reply) {
        // The heir is dropped last: it could be the last to know of it, and its end is no business of this lock.
        let (waker, others, _heir) = {
            let mut votes = lock(&self.votes);
            votes.tally.record(node, reply);
            // One wake-up a round, but for a node that is asked before the rest.
            let (waker, others) = if votes.waker.is_some()
                && (votes.awaited == Some(node) || votes.tally.decision().is_some())
            {
                (votes.waker.take(), std::mem::take(&mut votes.others))
            } else {
                (None, Vec::new())
            };
            let late_votes = votes.late_votes.as_ref().and_then(|(late_votes, earlier)| {
                let late_votes = late_votes.upgrade()?;
                late_votes.touched(votes.tally.touched().union(*earlier));
                Some(late_votes)
            });
            (waker, others, late_votes)
        };
        for waker in waker.into_iter().chain(others) {
            waker.wake();
        }
    }
}

impl std::fmt::Debug for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Round")
            .field("call", &self.request)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::Ping, key::Key};

    #[derive(Default)]
    struct Touched(Mutex<NodeSet>);

    impl LateVoteObserver for Touched {
        fn touched(&self, nodes: NodeSet) {
            *lock(&self.0) = nodes;
        }
    }

    fn won_by_two_of_three() -> Round {
        let request = Request {
            key: Arc::new(Key::new("", "a").expect("a key")),
            command: Ping.into(),
        };
        let tally = Tally::new(3, Question::Acquire);
        let round = Round::new(request, Arc::new([]), Clock::Machine, tally, None);
        round.vote(0, Reply::Yes);
        round.vote(1, Reply::Yes);
        round
    }

    fn held_by_another() -> Reply {
        Reply::Held {
            left: Duration::from_secs(1),
            fence: 0,
            by: 1,
            cools: false,
            notifies: false,
        }
    }

    #[test]
    fn a_late_vote_narrows_what_the_heir_releases() {
        let (round, late_votes) = (won_by_two_of_three(), Arc::<Touched>::default());
        round.observe_late_votes(&late_votes, NodeSet::default());
        assert_eq!(
            *lock(&late_votes.0),
            NodeSet::all(3),
            "who is silent may hold it"
        );
        round.vote(2, held_by_another());
        assert_eq!(*lock(&late_votes.0), NodeSet::all(2));
    }

    #[test]
    fn what_an_earlier_round_may_have_written_is_released_whatever_this_one_says() {
        let (round, late_votes) = (won_by_two_of_three(), Arc::<Touched>::default());
        round.observe_late_votes(&late_votes, NodeSet::only(2));
        round.vote(2, held_by_another());
        assert_eq!(*lock(&late_votes.0), NodeSet::all(3));
    }

    #[test]
    fn a_vote_that_comes_after_the_heir_is_gone_is_nobodys() {
        let round = won_by_two_of_three();
        round.observe_late_votes(&Arc::<Touched>::default(), NodeSet::default());
        round.vote(2, Reply::Yes);
    }
}
