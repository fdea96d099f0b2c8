//! What goes wrong: faults at random, within what the protocol promises to survive.

use std::{sync::Arc, time::Duration};

use rand::{RngExt, seq::SliceRandom};
use redlock::memory::{Node, Nodes};
use tokio::time::{advance, sleep};

use crate::{
    history::At,
    plan::{Dice, Fault, LONGEST_CUT, Plan, ms, some_ms},
    world::World,
};

/// The steps of a clock that runs fast: 2 ms in 200 ms is what validity takes off.
const DRIFT_STEP: Duration = ms(2);
const DRIFT_EVERY: Duration = ms(200);

/// Draws and makes faults.
pub(crate) struct Nemesis {
    world: Arc<World>,
    dice: Dice,
    drifted: Vec<At>,
    /// By how much each node's clock is ahead of the slowest.
    ahead: Vec<Duration>,
}

impl Nemesis {
    /// Sets the clocks of the nodes apart, before anything is written.
    pub(crate) fn new(world: &Arc<World>, mut dice: Dice) -> Self {
        let plan = &world.plan;
        let most = u64::try_from(plan.skew.as_millis()).unwrap_or(0);
        let ahead: Vec<Duration> = (0..plan.nodes)
            .map(|_| some_ms(&mut dice, 0..=most))
            .collect();
        for (node, ahead) in ahead.iter().enumerate() {
            world.cluster.node(node).shift_clock(*ahead);
        }
        Self {
            world: Arc::clone(world),
            dice,
            drifted: vec![At::ZERO; plan.nodes],
            ahead,
        }
    }

    /// Makes faults until the storm is over, and ends those that last.
    pub(crate) async fn storm(&mut self, until: At) {
        let longest_pause = u64::try_from(self.plan().longest_pause.as_millis()).unwrap_or(1);
        while self.world.now() < until {
            let pause = some_ms(&mut self.dice, 1..=longest_pause);
            sleep(pause).await;
            let fault = self.dice.random_range(0..self.plan().faults.len());
            let fault = self.plan().faults[fault];
            self.strike(fault).await;
        }
        self.world.heal();
    }

    fn plan(&self) -> &Plan {
        &self.world.plan
    }

    fn any_node(&mut self) -> usize {
        self.dice.random_range(0..self.world.plan.nodes)
    }

    fn any_client(&mut self) -> usize {
        self.dice.random_range(0..self.world.plan.clients)
    }

    /// A way from a client to a node.
    fn any_way(&mut self) -> (String, Node) {
        let (client, node) = (self.any_client(), self.any_node());
        (
            format!("client {client} to node {node}"),
            self.world.clients[client].machine.node(node),
        )
    }

    async fn strike(&mut self, fault: Fault) {
        match fault {
            Fault::Delay => self.delay(),
            Fault::Loss => self.loss(),
            Fault::Partition => self.partition(),
            Fault::HoldBack => self.hold_back(),
            Fault::Reset => {
                let (way, node) = self.any_way();
                self.world.tell(|| format!("{way}: reset"));
                node.reconnect();
            }
            Fault::Freeze => self.freeze(),
            Fault::Stall => self.stall().await,
            Fault::Restart | Fault::Flush => self.forget(fault),
            Fault::Stop => {
                let node = self.any_node();
                let (switch, length) = (
                    self.world.cluster.node(node),
                    some_ms(&mut self.dice, 5..=400),
                );
                self.world
                    .tell(|| format!("node {node}: down for {length:?}"));
                switch.stop();
                later(length, move || switch.start());
            }
            Fault::Hang => {
                let node = self.any_node();
                let (switch, length) = (
                    self.world.cluster.node(node),
                    some_ms(&mut self.dice, 5..=100),
                );
                self.world
                    .tell(|| format!("node {node}: hangs for {length:?}"));
                switch.hang();
                later(length, move || switch.resume());
            }
            Fault::NewClient => {
                let client = self.any_client();
                self.world.tell(|| format!("client {client}: new process"));
                self.world.replace(client);
            }
            Fault::Drift => self.drift(),
            Fault::Step => self.step(),
            Fault::Delete => self.delete(),
            Fault::Scripts => {
                let node = self.any_node();
                self.world.tell(|| format!("node {node}: no scripts"));
                self.world.cluster.node(node).flush_scripts();
            }
            Fault::Full => self.fill(),
        }
    }

    fn delay(&mut self) {
        let (way, node) = self.any_way();
        let most = u64::try_from(self.plan().delay.as_millis()).unwrap_or(0);
        let there = some_ms(&mut self.dice, 0..=most);
        let back = some_ms(&mut self.dice, 0..=most);
        self.world
            .tell(|| format!("{way}: {there:?} there, {back:?} back"));
        node.delay(there);
        node.delay_replies(back);
    }

    fn loss(&mut self) {
        let (way, node) = self.any_way();
        let length = some_ms(&mut self.dice, 1..=LONGEST_CUT.as_millis() as u64);
        let (requests, replies) =
            [(true, false), (false, true), (true, true)][self.dice.random_range(0..3)];
        self.world.tell(|| {
            format!("{way}: loses requests {requests}, replies {replies}, for {length:?}")
        });
        cut(&node, requests, replies, length);
    }

    fn partition(&mut self) {
        let client = self.any_client();
        let length = some_ms(&mut self.dice, 1..=LONGEST_CUT.as_millis() as u64);
        let nodes = self.dice.random_range(1..=self.plan().nodes);
        self.world
            .tell(|| format!("client {client}: cut off from {nodes} nodes for {length:?}"));
        let mut all: Vec<Node> = self.world.clients[client].machine.nodes();
        all.shuffle(&mut self.dice);
        for node in &all[..nodes] {
            cut(node, true, true, length);
        }
    }

    fn hold_back(&mut self) {
        let (way, node) = self.any_way();
        let cut = some_ms(&mut self.dice, 1..=LONGEST_CUT.as_millis() as u64 / 2);
        let late = some_ms(&mut self.dice, 0..=LONGEST_CUT.as_millis() as u64 / 2);
        self.world
            .tell(|| format!("{way}: held back, cut after {cut:?}, delivered {late:?} later"));
        node.hold_back();
        later(cut, move || {
            node.reconnect();
            later(late, move || node.deliver_late());
        });
    }

    fn freeze(&mut self) {
        let client = self.any_client();
        let most = u64::try_from(self.plan().max_ttl.as_millis()).unwrap_or(0) * 3 / 2;
        let length = some_ms(&mut self.dice, 5..=most);
        if self.world.freeze(client) {
            self.world
                .tell(|| format!("client {client}: frozen for {length:?}"));
            let world = Arc::clone(&self.world);
            later(length, move || world.thaw(client));
        }
    }

    async fn stall(&mut self) {
        let most = u64::try_from(self.plan().max_ttl.as_millis()).unwrap_or(0);
        let length = some_ms(&mut self.dice, 1..=most);
        self.world
            .tell(|| format!("all stand still for {length:?}"));
        let from = self.world.now();
        self.world.stood_still(from, from + length);
        advance(length).await;
    }

    /// A node forgets, if that leaves a majority that does not: rather one that a holder counts on.
    fn forget(&mut self, fault: Fault) {
        let mut node = self.any_node();
        let holder = self
            .world
            .history()
            .grants
            .last()
            .map(|grant| (World::name(grant.key), grant.owner.clone()));
        if let Some((name, owner)) = holder
            && self.dice.random_bool(0.5)
        {
            let nodes = self.world.cluster.nodes();
            let holds = |node: usize| nodes[node].get(&name).as_deref() == Some(&owner);
            node = (0..nodes.len())
                .map(|step| (node + step) % nodes.len())
                .find(|node| holds(*node))
                .unwrap_or(node);
        }
        let now = self.world.now();
        let guard_time = self.plan().guard_time();
        let others = {
            let history = self.world.history();
            let lately = history
                .forgot
                .iter()
                .filter(|(other, at)| *other != node && *at + guard_time > now);
            let mut others: Vec<usize> = lately.map(|(other, _)| *other).collect();
            others.sort_unstable();
            others.dedup();
            others.len()
        };
        if others >= self.plan().minority() {
            return;
        }
        self.world.tell(|| format!("node {node}: {fault:?}"));
        self.world.history().forgot.push((node, now));
        match fault {
            Fault::Flush => self.world.cluster.node(node).flush(),
            _ => self.world.cluster.node(node).restart_empty(),
        }
    }

    fn delete(&mut self) {
        let key = self.dice.random_range(0..self.plan().keys);
        let mut nodes = self.world.cluster.nodes();
        nodes.shuffle(&mut self.dice);
        nodes.truncate(self.dice.random_range(1..=nodes.len()));
        self.world
            .tell(|| format!("key {key} is deleted on {} nodes", nodes.len()));
        for node in &nodes {
            node.delete(&World::name(key));
        }
        if nodes.len() >= self.plan().quorum() {
            let now = self.world.now();
            self.world.history().deleted.push((key, now));
        }
    }

    fn fill(&mut self) {
        let (node, length) = (self.any_node(), some_ms(&mut self.dice, 5..=200));
        self.world
            .tell(|| format!("node {node}: full for {length:?}"));
        let node = self.world.cluster.node(node);
        node.fill(true);
        later(length, move || node.fill(false));
    }

    fn drift(&mut self) {
        let (node, now) = (self.any_node(), self.world.now());
        if now.saturating_sub(self.drifted[node]) >= DRIFT_EVERY {
            self.drifted[node] = now;
            self.world
                .tell(|| format!("node {node}: clock fast by {DRIFT_STEP:?}"));
            self.world.cluster.node(node).shift_clock(DRIFT_STEP);
        }
    }

    fn step(&mut self) {
        let node = self.any_node();
        let left = self.plan().skew.saturating_sub(self.ahead[node]);
        let by = some_ms(
            &mut self.dice,
            0..=u64::try_from(left.as_millis()).unwrap_or(0),
        );
        self.ahead[node] += by;
        self.world
            .tell(|| format!("node {node}: clock steps by {by:?}"));
        self.world.cluster.node(node).shift_clock(by);
    }
}

/// Loses what passes for a while.
fn cut(node: &Node, requests: bool, replies: bool, length: Duration) {
    node.lose_requests(requests);
    node.lose_replies(replies);
    let node = node.clone();
    later(length, move || {
        node.lose_requests(false);
        node.lose_replies(false);
    });
}

/// Ends all faults of the network and of the nodes.
pub(crate) fn heal(cluster: &Nodes, machine: &Nodes) {
    for node in machine.nodes() {
        node.delay(Duration::ZERO);
        node.delay_replies(Duration::ZERO);
        node.lose_requests(false);
        node.lose_replies(false);
        node.deliver_late();
    }
    for node in cluster.nodes() {
        node.start();
        node.resume();
        node.fill(false);
    }
}

fn later(after: Duration, what: impl FnOnce() + Send + 'static) {
    tokio::spawn(async move {
        sleep(after).await;
        what();
    });
}
