//! The votes of one round, and the decision they make: as soon as later votes cannot change it.

use std::time::Duration;

use super::{
    backoff,
    node_set::{NodeSet, quorum},
};
use crate::{command::Reply, fault::Fault, label::Label};

/// How the votes of a round are decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Won by a majority for one token.
    Acquire,
    /// Won by a majority that still held the key; gone when a majority did not.
    Extend,
    /// Releases, cool-downs and the waitlist: done when a majority confirmed.
    Confirm,
}

/// The outcome of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A majority said yes.
    Won,
    /// This round cannot win, but one of the same owner with a higher token can.
    Stale,
    /// Other clients hold a majority, or enough nodes to keep us from one.
    Refused,
    /// Extension only: a majority no longer holds the key for the owner.
    Gone,
    /// Too few nodes could vote.
    NoQuorum,
}

/// The votes of one round so far.
#[derive(Debug)]
pub(crate) struct Tally {
    nodes: usize,
    rule: Rule,
    voted: NodeSet,
    yes: NodeSet,
    stale: NodeSet,
    no: NodeSet,
    failed: NodeSet,
    /// The failed nodes that have forgotten the key to be extended.
    forgot: NodeSet,
    /// Nodes that certainly did not write what this round requested.
    untouched: NodeSet,
    /// Nodes that were sent the command twice: their reply says nothing about the first one.
    sent_twice: NodeSet,
    /// The highest fence in any reply.
    pub(crate) fence: u64,
    /// The remaining time of the other holder's lease, one entry for each node that reported it.
    left: Vec<Duration>,
    /// The remaining time of the cool-down, one entry for each node that reported one.
    cooling: Vec<Duration>,
    /// How many nodes will notify our inbox when the holder releases.
    notifying: usize,
    /// Other holders.
    rivals: Vec<Rival>,
    faults: Vec<(usize, Fault)>,
    /// A release notified another process.
    pub(crate) notified: bool,
}

/// Another holder.
#[derive(Debug)]
struct Rival {
    /// Its fingerprint.
    id: u64,
    label: Option<Label>,
    /// On how many nodes it was seen.
    nodes: usize,
}

impl Tally {
    pub(crate) fn new(nodes: usize, rule: Rule) -> Self {
        Self {
            nodes,
            rule,
            voted: NodeSet::default(),
            yes: NodeSet::default(),
            stale: NodeSet::default(),
            no: NodeSet::default(),
            failed: NodeSet::default(),
            forgot: NodeSet::default(),
            untouched: NodeSet::default(),
            sent_twice: NodeSet::default(),
            fence: 0,
            left: Vec::new(),
            cooling: Vec::new(),
            notifying: 0,
            rivals: Vec::new(),
            faults: Vec::new(),
            notified: false,
        }
    }

    /// Counts the first reply of each node, and ignores any later one.
    pub(crate) fn record(&mut self, node: usize, reply: Reply) {
        if node >= self.nodes || self.voted.contains(node) {
            return;
        }
        self.voted.insert(node);
        match reply {
            Reply::Yes | Reply::Permits(_) | Reply::Holders(_) | Reply::Register(_) => {
                self.yes.insert(node);
            }
            Reply::Notified => {
                self.yes.insert(node);
                self.notified = true;
            }
            Reply::Held {
                left,
                fence,
                by,
                label,
                cools,
                notifies,
            } => {
                self.no.insert(node);
                self.untouched.insert(node);
                self.fence = self.fence.max(fence);
                self.left.push(left);
                self.notifying += usize::from(notifies);
                if cools {
                    self.cooling.push(left);
                }
                self.record_rival(by, label);
            }
            Reply::Stale { fence } => {
                self.stale.insert(node);
                self.untouched.insert(node);
                self.fence = self.fence.max(fence);
            }
            // A restored key was missing when the round reached the node. A majority that forgot
            // the key no longer holds it, even if it was written again.
            Reply::Gone | Reply::Restored => self.no.insert(node),
            Reply::Quarantined { left } => self.record_fault(node, Fault::quarantined(left)),
            Reply::Forgot { left } => {
                self.forgot.insert(node);
                self.record_fault(node, Fault::quarantined(left));
            }
            Reply::Failed(fault) => {
                if fault.untouched {
                    self.untouched.insert(node);
                }
                self.record_fault(node, fault);
            }
        }
    }

    fn record_rival(&mut self, id: u64, label: Option<Label>) {
        match self.rivals.iter_mut().find(|rival| rival.id == id) {
            Some(rival) => rival.nodes += 1,
            None => self.rivals.push(Rival {
                id,
                label,
                nodes: 1,
            }),
        }
    }

    fn record_fault(&mut self, node: usize, fault: Fault) {
        self.failed.insert(node);
        self.faults.push((node, fault));
    }

    /// The nodes that said yes.
    pub(crate) fn yes(&self) -> NodeSet {
        self.yes
    }

    /// Takes back the yes of a node that may have forgotten locks. It has no vote for `left`.
    pub(crate) fn retract(&mut self, node: usize, left: Duration) {
        self.yes = self.yes.difference(NodeSet::only(node));
        self.record_fault(node, Fault::quarantined(left));
    }

    /// The command was sent to `node` before, and that first copy may have been executed or still
    /// arrive.
    pub(crate) fn sent_again(&mut self, node: usize) {
        self.sent_twice.insert(node);
    }

    /// The nodes that may have written what this round requested, or may still do so.
    pub(crate) fn touched(&self) -> NodeSet {
        let untouched = self.untouched.difference(self.sent_twice);
        NodeSet::all(self.nodes).difference(untouched)
    }

    /// The causes of the nodes that answered but could not vote.
    pub(crate) fn faults(&self) -> &[(usize, Fault)] {
        &self.faults
    }

    /// Whether no other holder was seen on a majority. A refusal then means that the votes were
    /// split between several.
    pub(crate) fn is_split(&self) -> bool {
        let most = self.rivals.iter().map(|rival| rival.nodes).max();
        most.is_none_or(|most| most < quorum(self.nodes))
    }

    pub(crate) fn has_voted(&self, node: usize) -> bool {
        self.voted.contains(node)
    }

    pub(crate) fn said_no(&self, node: usize) -> bool {
        self.no.contains(node)
    }

    /// Whether another holder was seen on any node.
    pub(crate) fn is_contended(&self) -> bool {
        self.no.len() > 0
    }

    pub(crate) fn has_failed(&self, node: usize) -> bool {
        self.failed.contains(node)
    }

    /// The nodes that have not answered.
    pub(crate) fn silent(&self) -> impl Iterator<Item = usize> {
        NodeSet::all(self.nodes).difference(self.voted).iter()
    }

    /// When a quorum can be free, by the leases seen. Nodes that said yes or stale are free at
    /// once.
    pub(crate) fn quorum_free_in(&self) -> Option<Duration> {
        let mut left = self.left.clone();
        left.extend((0..self.yes.len() + self.stale.len()).map(|_| Duration::ZERO));
        backoff::quorum_free_in(&mut left, quorum(self.nodes))
    }

    /// The longest remaining time of another holder, for `retry_after`.
    pub(crate) fn holder_left(&self) -> Option<Duration> {
        self.left.iter().max().copied()
    }

    /// The label of the holder that most nodes reported.
    pub(crate) fn holder_label(&self) -> Option<Label> {
        let first = self.rivals.iter().max_by_key(|rival| rival.nodes)?;
        first.label
    }

    /// Whether a majority will notify us when the holder releases.
    pub(crate) fn will_notify(&self) -> bool {
        self.notifying >= quorum(self.nodes) && !self.is_split()
    }

    /// Whether any node reported a cool-down.
    pub(crate) fn is_cooling(&self) -> bool {
        !self.cooling.is_empty()
    }

    /// The remaining time of a cool-down that enough nodes reported to rule out a quorum before its
    /// end.
    pub(crate) fn cooling_down(&self) -> Option<Duration> {
        if self.cooling.len() < self.blocking() {
            return None;
        }
        self.cooling.iter().max().copied()
    }

    /// The smallest number of nodes without which no quorum is possible.
    fn blocking(&self) -> usize {
        self.nodes - quorum(self.nodes) + 1
    }

    /// Whether the missing votes decide if the key is in a cool-down or held by another client.
    fn may_turn_out_cooling(&self, pending: usize) -> bool {
        let reported = self.cooling.len();
        (1..self.blocking()).contains(&reported) && reported + pending >= self.blocking()
    }

    /// The decision, if the other votes cannot change it any more.
    pub(crate) fn decision(&self) -> Option<Decision> {
        let quorum = quorum(self.nodes);
        let pending = self.nodes - self.voted.len();
        if self.yes.len() >= quorum {
            return Some(Decision::Won);
        }
        // None of these nodes votes before the validity is over: nothing can be extended, and
        // nobody else can win.
        if self.rule == Rule::Extend && self.forgot.len() >= quorum {
            return Some(Decision::Gone);
        }
        // A higher token can win already, so silent nodes are not waited for.
        let with_a_higher_token = self.yes.len() + self.stale.len();
        if self.stale.len() > 0 && with_a_higher_token >= quorum {
            return Some(Decision::Stale);
        }
        if self.yes.len() + pending >= quorum && self.no.len() < quorum {
            return None;
        }
        match self.rule {
            Rule::Acquire => {
                if with_a_higher_token + pending >= quorum || self.may_turn_out_cooling(pending) {
                    None
                } else {
                    Some(self.without_majority())
                }
            }
            Rule::Extend if self.no.len() >= quorum => Some(Decision::Gone),
            Rule::Extend if self.no.len() + pending >= quorum => None,
            Rule::Extend => Some(self.without_majority()),
            Rule::Confirm if pending > 0 => None,
            Rule::Confirm => Some(Decision::NoQuorum),
        }
    }

    /// The decision when the deadline has passed and no further vote counts.
    pub(crate) fn decision_at_deadline(&self) -> Decision {
        self.decision().unwrap_or_else(|| self.without_majority())
    }

    /// No majority: refused by others, or too few nodes that could vote.
    fn without_majority(&self) -> Decision {
        let could_vote = self.yes.len() + self.stale.len() + self.no.len();
        let pending = self.nodes - self.voted.len();
        let refused = self.no.len() > 0 && self.rule == Rule::Acquire;
        if could_vote >= quorum(self.nodes)
            || (refused && could_vote + pending >= quorum(self.nodes))
        {
            Decision::Refused
        } else {
            Decision::NoQuorum
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;

    fn held(by: u64, label: Option<Label>) -> Reply {
        Reply::Held {
            left: Duration::from_millis(by),
            fence: by,
            by,
            label,
            cools: false,
            notifies: true,
        }
    }

    fn nodes<const N: usize>(nodes: [usize; N]) -> NodeSet {
        nodes.into_iter().collect()
    }

    #[test]
    fn each_reply_counts_for_its_node() {
        let mut tally = Tally::new(5, Rule::Acquire);
        let refused = Fault::untouched(FaultKind::Unreachable, "refused");
        tally.record(0, Reply::Yes);
        tally.record(1, held(7, None));
        tally.record(2, Reply::Stale { fence: 9 });
        tally.record(3, Reply::Failed(refused));
        assert!(tally.has_voted(3) && !tally.has_voted(4));
        assert!(tally.said_no(1) && !tally.said_no(0));
        assert!(tally.has_failed(3) && !tally.has_failed(1));
        assert!(tally.silent().eq([4]));
        assert_eq!((tally.yes(), tally.fence), (nodes([0]), 9));
        assert_eq!(tally.holder_left(), Some(Duration::from_millis(7)));
        assert!(tally.is_contended() && tally.is_split() && !tally.is_cooling());
        // A silent node may still carry out the command, and so may a node that got a first copy.
        assert_eq!(tally.touched(), nodes([0, 4]));
        tally.sent_again(3);
        assert_eq!(tally.touched(), nodes([0, 3, 4]));
    }

    #[test]
    fn the_label_is_that_of_the_holder_seen_on_most_nodes() {
        let label = Label::read(b"web-1");
        let mut tally = Tally::new(3, Rule::Acquire);
        tally.record(0, held(1, None));
        tally.record(1, held(2, label));
        assert!(tally.is_split() && !tally.will_notify());
        tally.record(2, held(2, label));
        assert!(label.is_some() && tally.holder_label() == label);
        assert!(!tally.is_split() && tally.will_notify());
    }
}
