//! Faults of the network between a client and a node.

use std::time::Duration;

use rand::{RngExt, seq::SliceRandom};
use redlock::memory::Node;

use super::{Named, Nemesis, later};
use crate::{
    event::Event,
    plan::{LONGEST_CUT, millis, some_ms},
};

impl Nemesis {
    /// The network between some client and some node.
    fn any_link(&mut self) -> Named {
        let (client, node) = (self.any_client(), self.any_node());
        (
            format!("client {client} to node {node}"),
            self.world.clients[client].machine.node(node),
        )
    }

    pub(super) fn delay(&mut self) {
        let (link, node) = self.any_link();
        let most = millis(self.plan().delay);
        let there = some_ms(&mut self.dice, 0..=most);
        let back = some_ms(&mut self.dice, 0..=most);
        self.world
            .log(|| format!("{link}: requests take {there:?}, replies {back:?}"));
        self.world.count(Event::Delay);
        node.delay(there);
        node.delay_replies(back);
    }

    pub(super) fn loss(&mut self) {
        let (link, node) = self.any_link();
        let length = some_ms(&mut self.dice, 1..=millis(LONGEST_CUT));
        let (requests, replies) =
            [(true, false), (false, true), (true, true)][self.dice.random_range(0..3)];
        self.world.log(|| {
            format!("{link}: loses requests {requests}, replies {replies}, for {length:?}")
        });
        self.world.count(Event::Loss);
        cut(&node, requests, replies, length);
    }

    pub(super) fn partition(&mut self) {
        let length = some_ms(&mut self.dice, 1..=millis(LONGEST_CUT));
        self.world.count(Event::Partition);
        self.cut_off(length);
    }

    pub(super) fn long_cut(&mut self) {
        let length = self.long();
        self.world.count(Event::LongCut);
        self.cut_off(length);
    }

    /// One node at a time: a client that is cut off from two nodes gets no lock.
    pub(super) fn bare_majority(&mut self) {
        let now = self.world.now();
        if now < self.bare_until {
            return;
        }
        self.bare_until = now + LONGEST_CUT;
        let (spared, node) = (self.any_client(), self.any_node());
        self.world.log(|| {
            format!("all clients but {spared}: cut off from node {node} for {LONGEST_CUT:?}")
        });
        self.world.count(Event::BareMajority);
        for client in (0..self.plan().clients).filter(|client| *client != spared) {
            let node = self.world.clients[client].machine.node(node);
            cut(&node, true, false, LONGEST_CUT);
        }
    }

    fn cut_off(&mut self, length: Duration) {
        let client = self.any_client();
        let nodes = self.dice.random_range(1..=self.plan().nodes);
        self.world
            .log(|| format!("client {client}: cut off from {nodes} nodes for {length:?}"));
        let mut all: Vec<Node> = self.world.clients[client].machine.nodes();
        all.shuffle(&mut self.dice);
        for node in &all[..nodes] {
            cut(node, true, true, length);
        }
    }

    pub(super) fn hold_back(&mut self) {
        let (link, node) = self.any_link();
        let cut = some_ms(&mut self.dice, 1..=millis(LONGEST_CUT) / 2);
        let late = some_ms(&mut self.dice, 0..=millis(LONGEST_CUT) / 2);
        self.world
            .log(|| format!("{link}: held back, cut after {cut:?}, delivered {late:?} later"));
        self.world.count(Event::HoldBack);
        node.hold_back();
        later(cut, move || {
            node.reconnect();
            later(late, move || node.deliver_late());
        });
    }

    pub(super) fn reset(&mut self) {
        let (link, node) = self.any_link();
        self.world.log(|| format!("{link}: reset"));
        self.world.count(Event::Reset);
        node.reconnect();
    }

    pub(super) fn half_open(&mut self) {
        let (link, node) = self.any_link();
        self.world.log(|| format!("{link}: half open"));
        self.world.count(Event::HalfOpen);
        node.half_open();
    }
}

/// Loses requests, replies or both for `length`.
fn cut(node: &Node, requests: bool, replies: bool, length: Duration) {
    node.lose_requests(requests);
    node.lose_replies(replies);
    let node = node.clone();
    later(length, move || {
        node.lose_requests(false);
        node.lose_replies(false);
    });
}
