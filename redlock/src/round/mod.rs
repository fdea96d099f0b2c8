//! Rounds: one command sent to some nodes, and the decision made by their votes.
//!
//! Votes are counted where replies are read, on the task of the connections. The task that waits is woken once, by the
//! decision. A round outlives its wait: commands in flight are answered in the background, and their late votes narrow
//! down which nodes a release has to be sent to ([`LateVoteObserver`]). It ends with its last vote.

mod deferred;
pub(crate) mod fan_out;
mod late_votes;
#[cfg(test)]
mod tests;
mod tracked;
mod votes;

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

pub(crate) use self::late_votes::LateVoteObserver;
use self::{deferred::Deferred, late_votes::LateVotes, tracked::Tracked, votes::Votes};
use crate::{
    command::{Reply, Request},
    env::{
        clock::{Clock, Instant},
        pending::Pending,
        sync::lock,
    },
    error::NodeError,
    events::node::{self as events, Vote},
    fault::FaultKind,
    node::{ConnectionSet, NodeState, Nodes, Operation, ReplySink},
    quorum::{
        node_set::{AtomicNodeSet, NodeSet},
        tally::{Decision, Rule, Tally},
    },
};

/// What a round sends, to which nodes, and how it is decided.
pub(crate) struct Plan {
    pub(crate) request: Request,
    pub(crate) rule: Rule,
    pub(crate) targets: NodeSet,
    /// Nodes that count as a yes without being asked.
    pub(crate) assumed_yes: NodeSet,
    /// Held until nothing is on its way any more, if closing the client has to wait for that.
    pub(crate) pending: Option<Pending>,
}

impl Plan {
    /// Nobody waits for this round, and no node counts as a yes in advance.
    pub(crate) fn new(request: Request, rule: Rule, targets: NodeSet) -> Self {
        Self {
            request,
            rule,
            targets,
            assumed_yes: NodeSet::default(),
            pending: None,
        }
    }
}

/// One command on its way to the nodes.
pub(crate) struct Round {
    request: Request,
    states: Arc<[Arc<NodeState>]>,
    clock: Clock,
    withdrawn: AtomicBool,
    /// Nodes that a release has been written to.
    sent: AtomicNodeSet,
    votes: Mutex<Votes>,
}

impl Round {
    pub(crate) fn start(nodes: &Nodes, connections: &ConnectionSet, plan: Plan) -> Arc<Self> {
        let mut tally = Tally::new(nodes.len(), plan.rule);
        for node in plan.assumed_yes.iter() {
            tally.record(node, Reply::Yes);
        }
        let states = Arc::clone(&nodes.states);
        let round = Arc::new(Self::new(plan.request, states, nodes.clock, tally));
        let sink = Arc::clone(&round) as Arc<dyn ReplySink>;
        let sink = match plan.pending {
            None => sink,
            Some(pending) => Tracked::sink(sink, pending),
        };
        send(connections, &sink, plan.targets);
        round
    }

    fn new(request: Request, states: Arc<[Arc<NodeState>]>, clock: Clock, tally: Tally) -> Self {
        Self {
            request,
            states,
            clock,
            withdrawn: AtomicBool::new(false),
            sent: AtomicNodeSet::new(NodeSet::default()),
            votes: Mutex::new(Votes::new(tally)),
        }
    }

    /// Sends the command to further nodes.
    pub(crate) fn send(self: &Arc<Self>, connections: &ConnectionSet, targets: NodeSet) {
        let sink = Arc::clone(self) as Arc<dyn ReplySink>;
        send(connections, &sink, targets);
    }

    /// Commands that have not been sent yet are no longer wanted.
    pub(crate) fn withdraw(&self) {
        self.withdrawn.store(true, Relaxed);
    }

    /// Waits for the decision until the deadline, `within` from now, and decides by the votes so far then.
    ///
    /// Cancel safe: the round continues, and can be waited for again.
    pub(crate) async fn decision(&self, within: Duration) -> Decision {
        match self.early_decision(within).await {
            Some(decision) => decision,
            None => self.decision_at_deadline(),
        }
    }

    fn decision_at_deadline(&self) -> Decision {
        let mut votes = lock(&self.votes);
        votes.overdue = true;
        self.retract_untrusted(&mut votes);
        votes.tally.decision_at_deadline()
    }

    /// Waits for the decision, for at most `within`, which is not the deadline of the round. Cancel
    /// safe.
    pub(crate) async fn early_decision(&self, within: Duration) -> Option<Decision> {
        let decision = self.wait_for(|votes| {
            self.retract_untrusted(votes);
            votes.tally.decision()
        });
        tokio::time::timeout(within, decision).await.ok()
    }

    /// Waits for the decision on a release, at most for `within` from when it was sent. Time in the send queue of this
    /// process, and time for which the runtime stalled, is not counted against the nodes. Cancel safe.
    pub(crate) async fn confirmed(&self, within: Duration) -> Decision {
        loop {
            let begun = self.clock.now();
            let silent: NodeSet = self.with_tally(|tally| tally.silent().collect());
            let all_sent = silent.difference(self.sent.load()).len() == 0;
            if let Some(decision) = self.early_decision(within).await {
                return decision;
            }
            let stalled = self.clock.now().saturating_since(begun) > within * 5 / 4;
            if all_sent && !stalled {
                return self.decision_at_deadline();
            }
        }
    }

    /// Waits for the vote of one node, at most for `within`. Cancel safe.
    pub(crate) async fn vote_of(&self, node: usize, within: Duration) {
        lock(&self.votes).awaited = Some(node);
        let voted = self.wait_for(|votes| votes.tally.has_voted(node).then_some(()));
        // A node that stays silent is skipped by the caller.
        let _ = tokio::time::timeout(within, voted).await;
    }

    /// Waits for the votes of all nodes, at most for `within`. Cancel safe.
    pub(crate) async fn all_votes(&self, within: Duration) {
        let complete = self.wait_for(|votes| votes.tally.silent().next().is_none().then_some(()));
        // Missing replies are reported as time-outs then.
        let _ = tokio::time::timeout(within, complete).await;
    }

    async fn wait_for<T>(&self, look: impl Fn(&mut Votes) -> Option<T>) -> T {
        poll_fn(|cx| lock(&self.votes).poll(cx, &look)).await
    }

    /// Takes back votes of nodes that may have forgotten locks: a node that voted may turn out to
    /// be younger than one that was met after it.
    fn retract_untrusted(&self, votes: &mut Votes) {
        let Votes { tally, voters, .. } = votes;
        if self.request.command.needs_trust() && tally.decision() == Some(Decision::Won) {
            let now = self.clock.now();
            for node in tally.yes().iter() {
                let voter = voters.iter().find(|(of, _)| *of == node);
                let voter = voter.map_or(&self.states[node], |(_, server)| server);
                let moved = self.states[node].moved(&self.request.key, now);
                if let Some(left) = voter.quarantined(now).or(moved) {
                    tally.retract(node, left);
                }
            }
        }
    }

    /// Reports to `observer` which nodes may hold the key, now and with every late vote. `earlier`: nodes that may hold
    /// it from earlier rounds.
    pub(crate) fn observe_late_votes(
        &self,
        observer: &Arc<impl LateVoteObserver + 'static>,
        earlier: NodeSet,
    ) {
        let late_votes = LateVotes::new(observer, earlier);
        let mut votes = lock(&self.votes);
        // Under the lock, so that the first report cannot overtake a later one.
        let _still_owned = late_votes.report(&votes.tally);
        votes.late_votes = Some(late_votes);
    }

    /// Whether this release notified another process, by the replies so far.
    pub(crate) fn has_notified(&self) -> bool {
        self.with_tally(|tally| tally.notified)
    }

    pub(crate) fn with_tally<T>(&self, read: impl FnOnce(&Tally) -> T) -> T {
        read(&lock(&self.votes).tally)
    }

    /// Why there was no quorum: how many nodes were able to vote, and the cause of each of the others.
    pub(crate) fn faults(&self, states: &[Arc<NodeState>]) -> (usize, Vec<NodeError>) {
        let votes = lock(&self.votes);
        let name = |node: usize| states.get(node).map_or("?", |state| state.name());
        let faults = votes.tally.faults().iter();
        let mut errors: Vec<NodeError> = faults
            .map(|(node, fault)| NodeError::of(name(*node), fault))
            .collect();
        let silence = match votes.overdue {
            true => "no answer in time: it hangs, or a round trip takes longer than `node_timeout`",
            false => "no answer yet",
        };
        let silent = votes.tally.silent();
        errors.extend(silent.map(|node| NodeError::new(name(node), FaultKind::TimedOut, silence)));
        (states.len() - errors.len(), errors)
    }
}

impl ReplySink for Round {
    fn request(&self) -> &Request {
        &self.request
    }

    fn wanted(&self) -> bool {
        !self.withdrawn.load(Relaxed)
    }

    fn deferred(&self, now: Instant) -> Option<Arc<dyn ReplySink>> {
        let must_arrive = self.request.command.must_arrive();
        must_arrive.then(|| Deferred::sink(&self.request, None, now))
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
        lock(&self.votes).tally.sent_again(node);
    }

    fn sent(&self, node: usize) {
        if self.request.command.must_arrive() {
            self.sent.add(NodeSet::only(node));
        }
    }

    fn vote(&self, node: usize, reply: Reply) {
        if let Some(state) = self.states.get(node) {
            events::voted(state.meter(), as_metric(&reply));
        }
        let effects = lock(&self.votes).record(node, reply);
        effects.run();
    }
}

fn send(connections: &ConnectionSet, sink: &Arc<dyn ReplySink>, targets: NodeSet) {
    for node in targets.iter() {
        let sink = Arc::clone(sink);
        connections.submit(Operation { sink, node });
    }
}

fn as_metric(reply: &Reply) -> Vote {
    match reply {
        Reply::Yes
        | Reply::Notified
        | Reply::Permits(_)
        | Reply::Holders(_)
        | Reply::Register(_) => Vote::Yes,
        Reply::Held { .. } => Vote::Held,
        Reply::Stale { .. } => Vote::Stale,
        Reply::Gone | Reply::Restored => Vote::Gone,
        Reply::Quarantined { .. } | Reply::Forgot { .. } => Vote::Quarantined,
        Reply::Failed(_) => Vote::Failed,
    }
}

impl std::fmt::Debug for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Round")
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}
