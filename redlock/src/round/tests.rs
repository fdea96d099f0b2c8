//! Late votes, without nodes.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{LateVoteObserver, Round};
use crate::{
    command::{Ping, Reply, Request},
    env::{clock::Clock, sync::lock},
    key::Key,
    node::ReplySink as _,
    quorum::{
        node_set::NodeSet,
        tally::{Rule, Tally},
    },
};

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
    let tally = Tally::new(3, Rule::Acquire);
    let round = Round::new(request, Arc::new([]), Clock::Machine, tally);
    round.vote(0, Reply::Yes);
    round.vote(1, Reply::Yes);
    round
}

fn held_by_another() -> Reply {
    Reply::Held {
        left: Duration::from_secs(1),
        fence: 0,
        by: 1,
        label: None,
        cools: false,
        notifies: false,
    }
}

#[test]
fn a_late_vote_reduces_the_nodes_to_release() {
    let (round, observer) = (won_by_two_of_three(), Arc::<Touched>::default());
    round.observe_late_votes(&observer, NodeSet::default());
    let touched = *lock(&observer.0);
    assert_eq!(touched, NodeSet::all(3), "a silent node may hold the key");
    round.vote(2, held_by_another());
    assert_eq!(*lock(&observer.0), NodeSet::all(2));
}

#[test]
fn a_node_of_an_earlier_round_is_released_whatever_it_votes_later() {
    let (round, observer) = (won_by_two_of_three(), Arc::<Touched>::default());
    round.observe_late_votes(&observer, NodeSet::only(2));
    round.vote(2, held_by_another());
    assert_eq!(*lock(&observer.0), NodeSet::all(3));
}

#[test]
fn a_vote_after_the_observer_is_gone_is_ignored() {
    let round = won_by_two_of_three();
    round.observe_late_votes(&Arc::<Touched>::default(), NodeSet::default());
    round.vote(2, Reply::Yes);
}
