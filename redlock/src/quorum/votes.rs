//! Counting votes: what a round has decided, as soon as it has.

use std::{
    sync::atomic::{
        AtomicU64,
        Ordering::{Release, SeqCst},
    },
    time::Duration,
};

use crate::{
    command::Reply,
    fault::Fault,
    mutant::{self, Mutant},
};

/// A set of nodes, by index. A client has at most [`NodeSet::MAX`] nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeSet(u64);

impl NodeSet {
    pub(crate) const MAX: usize = 64;

    pub(crate) fn all(nodes: usize) -> Self {
        Self(u64::MAX >> (Self::MAX - nodes.clamp(1, Self::MAX)))
    }

    pub(crate) fn only(node: usize) -> Self {
        Self(1 << node)
    }

    pub(crate) fn insert(&mut self, node: usize) {
        self.0 |= 1 << node;
    }

    pub(crate) fn contains(self, node: usize) -> bool {
        self.0 & (1 << node) != 0
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..Self::MAX).filter(move |&node| self.contains(node))
    }
}

impl FromIterator<usize> for NodeSet {
    fn from_iter<I: IntoIterator<Item = usize>>(nodes: I) -> Self {
        let mut set = Self::default();
        nodes.into_iter().for_each(|node| set.insert(node));
        set
    }
}

/// A set of nodes that several see.
#[derive(Debug)]
pub(crate) struct AtomicNodeSet(AtomicU64);

impl AtomicNodeSet {
    pub(crate) fn new(nodes: NodeSet) -> Self {
        Self(AtomicU64::new(nodes.0))
    }

    pub(crate) fn load(&self) -> NodeSet {
        NodeSet(self.0.load(SeqCst))
    }

    pub(crate) fn store(&self, nodes: NodeSet) {
        self.0.store(nodes.0, Release);
    }

    /// Adds `nodes`, in one order with all other operations that are sequentially consistent.
    pub(crate) fn add(&self, nodes: NodeSet) {
        self.0.fetch_or(nodes.0, SeqCst);
    }
}

/// A majority of the configured nodes, whether they are connected or not.
pub(crate) fn quorum(nodes: usize) -> usize {
    if mutant::on(Mutant::HalfIsEnough) {
        return nodes.div_ceil(2);
    }
    nodes / 2 + 1
}

/// What a round decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Acquire,
    Extend,
    /// Release and settle: done when a majority confirmed.
    Confirm,
}

/// The outcome of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A majority said yes.
    Won,
    /// This round cannot win, but the same owner with a higher token can.
    Stale,
    /// Others hold it, or hold enough of it.
    Refused,
    /// Extension only: a majority holds it no more.
    Gone,
    /// Too few nodes could vote.
    NoQuorum,
}

/// The votes of one round so far.
#[derive(Debug)]
pub(crate) struct Tally {
    nodes: usize,
    question: Question,
    voted: NodeSet,
    yes: NodeSet,
    stale: NodeSet,
    no: NodeSet,
    failed: NodeSet,
    /// Of those that failed: nodes that have forgotten what is to be extended.
    forgot: NodeSet,
    /// Nodes that are known not to hold what this round asked them to write.
    untouched: NodeSet,
    /// Nodes that were asked twice: what they answer to the second says nothing of the first.
    twice: NodeSet,
    /// The highest fence that any node told.
    pub(crate) fence: u64,
    /// What is left of the other holder's lease, by node that told; zero where the node was free.
    left: Vec<Duration>,
    /// What is left of the cool-down, by node that told.
    cooling: Vec<Duration>,
    /// How many nodes will tell when the holder lets go.
    notifying: usize,
    /// On how many nodes each other holder was seen.
    rivals: Vec<(u64, usize)>,
    faults: Vec<(usize, Fault)>,
    /// Another process that waits was told of a release.
    pub(crate) woke: bool,
}

impl Tally {
    pub(crate) fn new(nodes: usize, question: Question) -> Self {
        Self {
            nodes,
            question,
            voted: NodeSet::default(),
            yes: NodeSet::default(),
            stale: NodeSet::default(),
            no: NodeSet::default(),
            failed: NodeSet::default(),
            forgot: NodeSet::default(),
            untouched: NodeSet::default(),
            twice: NodeSet::default(),
            fence: 0,
            left: Vec::new(),
            cooling: Vec::new(),
            notifying: 0,
            rivals: Vec::new(),
            faults: Vec::new(),
            woke: false,
        }
    }

    /// Counts the first reply of each node, and no second one.
    pub(crate) fn record(&mut self, node: usize, reply: Reply) {
        if node >= self.nodes || self.voted.contains(node) {
            return;
        }
        self.voted.insert(node);
        match reply {
            Reply::Yes => self.yes.insert(node),
            Reply::Notified => {
                self.yes.insert(node);
                self.woke = true;
            }
            Reply::Held {
                left,
                fence,
                by,
                cools,
                notifies,
            } => {
                self.no.insert(node);
                if notifies {
                    self.notifying += 1;
                }
                if cools {
                    self.cooling.push(left);
                }
                match self.rivals.iter_mut().find(|(rival, _)| *rival == by) {
                    Some((_, nodes)) => *nodes += 1,
                    None => self.rivals.push((by, 1)),
                }
                self.untouched.insert(node);
                self.fence = self.fence.max(fence);
                self.left.push(left);
            }
            Reply::Stale { fence } => {
                self.stale.insert(node);
                self.untouched.insert(node);
                self.fence = self.fence.max(fence);
            }
            // Restored is written again on a node that had forgotten it: held there, but missing in this round. A majority that
            // forgot has let go, whoever writes it again.
            Reply::Gone | Reply::Restored => self.no.insert(node),
            Reply::Quarantined { left } | Reply::Forgot { left } => {
                if matches!(reply, Reply::Forgot { .. }) {
                    self.forgot.insert(node);
                }
                self.failed.insert(node);
                self.faults.push((node, Fault::quarantined(left)));
            }
            Reply::Failed(fault) => {
                self.failed.insert(node);
                if fault.untouched {
                    self.untouched.insert(node);
                }
                self.faults.push((node, fault));
            }
        }
    }

    /// Nodes that said yes.
    pub(crate) fn agreed(&self) -> NodeSet {
        self.yes
    }

    /// Takes the yes of `node` back: it may have forgotten locks, and has no vote for as long as is `left`.
    pub(crate) fn retract(&mut self, node: usize, left: Duration) {
        self.yes = self.yes.minus(NodeSet::only(node));
        self.failed.insert(node);
        self.faults.push((node, Fault::quarantined(left)));
    }

    /// The same was sent to `node` before, and may have been carried out, or may yet be.
    pub(crate) fn asked_again(&mut self, node: usize) {
        self.twice.insert(node);
    }

    /// Nodes that may hold what this round wrote, now or later.
    pub(crate) fn touched(&self) -> NodeSet {
        NodeSet::all(self.nodes).minus(self.untouched.minus(self.twice))
    }

    /// Why nodes did not vote, those that answered with a fault.
    pub(crate) fn faults(&self) -> &[(usize, Fault)] {
        &self.faults
    }

    /// Refused although no other holder was seen on a majority: the votes were split between several.
    pub(crate) fn is_split(&self) -> bool {
        let most = self.rivals.iter().map(|(_, nodes)| *nodes).max();
        most.is_none_or(|most| most < quorum(self.nodes))
    }

    pub(crate) fn has_voted(&self, node: usize) -> bool {
        self.voted.contains(node)
    }

    pub(crate) fn said_no(&self, node: usize) -> bool {
        self.no.contains(node)
    }

    /// Whether any node was held by another.
    pub(crate) fn is_contended(&self) -> bool {
        self.no.len() > 0
    }

    pub(crate) fn has_failed(&self, node: usize) -> bool {
        self.failed.contains(node)
    }

    /// Nodes that have not answered.
    pub(crate) fn silent(&self) -> impl Iterator<Item = usize> {
        NodeSet::all(self.nodes).minus(self.voted).iter()
    }

    /// When a quorum can be free by the leases that were told: nodes that voted yes or stale are free at once.
    pub(crate) fn quorum_free_in(&self) -> Option<Duration> {
        let mut left = self.left.clone();
        left.extend((0..self.yes.len() + self.stale.len()).map(|_| Duration::ZERO));
        super::backoff::quorum_free_in(&mut left, quorum(self.nodes))
    }

    /// What the holder of a majority has left, for `retry_after`.
    pub(crate) fn holder_left(&self) -> Option<Duration> {
        self.left.iter().max().copied()
    }

    /// Whether a majority will tell when the holder lets go.
    pub(crate) fn will_tell(&self) -> bool {
        self.notifying >= quorum(self.nodes) && !self.is_split()
    }

    /// Whether any node told of a cool-down.
    pub(crate) fn is_cooling(&self) -> bool {
        !self.cooling.is_empty()
    }

    /// What is left of the cool-down, if so many nodes told of one that no quorum is to be had before it ends.
    pub(crate) fn cooling_down(&self) -> Option<Duration> {
        if self.cooling.len() < self.blocking() {
            return None;
        }
        self.cooling.iter().max().copied()
    }

    /// How many nodes keep all others from a quorum.
    fn blocking(&self) -> usize {
        self.nodes - quorum(self.nodes) + 1
    }

    /// Whether the votes to come decide between a holder and a cool-down.
    fn may_turn_out_cooling(&self, pending: usize) -> bool {
        let told = self.cooling.len();
        (1..self.blocking()).contains(&told) && told + pending >= self.blocking()
    }

    /// The decision, if the votes so far make one whatever the rest will say.
    pub(crate) fn decision(&self) -> Option<Decision> {
        let quorum = quorum(self.nodes);
        let pending = self.nodes - self.voted.len();
        if self.yes.len() >= quorum {
            return Some(Decision::Won);
        }
        // None of them votes before the validity is over, so nobody else can win meanwhile and nothing can be extended.
        if self.question == Question::Extend && self.forgot.len() >= quorum {
            return Some(Decision::Gone);
        }
        // A higher token wins where this one is stale: at once, whoever is still silent.
        let with_a_higher_token = self.yes.len() + self.stale.len();
        if self.stale.len() > 0 && with_a_higher_token >= quorum {
            return Some(Decision::Stale);
        }
        if self.yes.len() + pending >= quorum && self.no.len() < quorum {
            return None;
        }
        match self.question {
            Question::Acquire => {
                if with_a_higher_token + pending >= quorum || self.may_turn_out_cooling(pending) {
                    None
                } else {
                    Some(self.without_majority())
                }
            }
            Question::Extend if self.no.len() >= quorum => Some(Decision::Gone),
            Question::Extend if self.no.len() + pending >= quorum => None,
            Question::Extend => Some(self.without_majority()),
            Question::Confirm if pending > 0 => None,
            Question::Confirm => Some(Decision::NoQuorum),
        }
    }

    /// The decision when no more votes are waited for.
    pub(crate) fn decision_at_deadline(&self) -> Decision {
        self.decision().unwrap_or_else(|| self.without_majority())
    }

    /// Refused by others, or by the lack of nodes: whether the nodes that could vote would have been enough.
    fn without_majority(&self) -> Decision {
        let could_vote = self.yes.len() + self.stale.len() + self.no.len();
        let pending = self.nodes - self.voted.len();
        let refused = self.no.len() > 0 && self.question == Question::Acquire;
        if could_vote >= quorum(self.nodes)
            || (refused && could_vote + pending >= quorum(self.nodes))
        {
            Decision::Refused
        } else {
            Decision::NoQuorum
        }
    }
}
