//! Injects random faults, within what the protocol promises to survive.

use std::{sync::Arc, time::Duration};

use rand::RngExt;
use redlock::memory::{Node, Nodes};
use tokio::time::{advance, sleep};

use crate::{
    event::Event,
    history::At,
    plan::{Dice, Plan, millis, ms, some_ms},
    world::World,
};

mod network;
mod nodes;

/// How fast a clock may run: validity subtracts a drift of 1 %, which is 2 ms in 200 ms.
const DRIFT_STEP: Duration = ms(2);
const DRIFT_EVERY: Duration = ms(200);

/// Draws faults at random and injects them.
pub(crate) struct Nemesis {
    world: Arc<World>,
    dice: Dice,
    /// When each node's clock drifted last.
    drifted: Vec<At>,
    /// How far each node's clock is ahead of the slowest possible one.
    ahead: Vec<Duration>,
    /// A replica of each node, which may lag behind.
    replicas: Nodes,
    /// When the last [`Event::BareMajority`] ends.
    bare_until: At,
}

impl Nemesis {
    /// Gives the nodes different clocks, before anything is written.
    pub(crate) fn new(world: &Arc<World>, mut dice: Dice) -> Self {
        let plan = &world.plan;
        let most = millis(plan.skew);
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
            replicas: Nodes::seeded(plan.nodes, plan.seed ^ 1),
            bare_until: At::ZERO,
        }
    }

    /// Injects faults until the end of the storm, and then ends all of them.
    pub(crate) async fn storm(&mut self, until: At) {
        let longest = millis(self.plan().longest_pause).max(1);
        if self.plan().has(Event::BareMajority) {
            self.copy_to_replicas();
        }
        while self.world.now() < until {
            let pause = some_ms(&mut self.dice, 1..=longest);
            sleep(pause).await;
            let fault = self.dice.random_range(0..self.plan().faults.len());
            let fault = self.plan().faults[fault];
            self.inject(fault).await;
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

    /// A duration longer than any ttl.
    fn long(&mut self) -> Duration {
        let ttl = millis(self.plan().max_ttl);
        some_ms(&mut self.dice, ttl..=ttl * 2)
    }

    async fn inject(&mut self, fault: Event) {
        match fault {
            Event::Delay => self.delay(),
            Event::Loss => self.loss(),
            Event::Partition => self.partition(),
            Event::LongCut => self.long_cut(),
            Event::BareMajority => self.bare_majority(),
            Event::HoldBack => self.hold_back(),
            Event::Reset => self.reset(),
            Event::HalfOpen => self.half_open(),
            Event::Freeze => self.freeze(),
            Event::Stall => self.stall().await,
            Event::Stop => self.stop(),
            Event::Hang => self.hang(),
            Event::LongHang => self.long_hang(),
            Event::Restart => self.restart(),
            Event::EmptyRestart | Event::Promotion | Event::Flush => self.forget(fault),
            Event::Full => self.fill(),
            Event::Loading | Event::Busy | Event::FailedSave => self.refuse(fault),
            Event::ScriptFlush => self.flush_scripts(),
            Event::ForeignValue => self.foreign_value(),
            Event::Delete => self.delete(),
            Event::NewClient | Event::EqualRandom => self.new_processes(fault),
            Event::Drift => self.drift(),
            Event::Step => self.step(),
            Event::EndedRuntime => self.world.end_runtime(),
            // Caused by holders, or between storms.
            Event::BlockedThread
            | Event::FarContact
            | Event::ForeignLease
            | Event::HandOver
            | Event::IdleCut
            | Event::ManyReleases
            | Event::Permit
            | Event::SharedHandle => {}
        }
    }

    fn new_processes(&mut self, fault: Event) {
        let client = self.any_client();
        self.world.log(|| format!("client {client}: {fault:?}"));
        self.world.count(fault);
        let copies = if fault == Event::EqualRandom { 2 } else { 1 };
        self.world.replace(client, copies);
    }

    fn freeze(&mut self) {
        let client = self.any_client();
        let most = millis(self.plan().max_ttl) * 3 / 2;
        let length = some_ms(&mut self.dice, 5..=most);
        if self.world.freeze(client) {
            self.world
                .log(|| format!("client {client}: frozen for {length:?}"));
            self.world.count(Event::Freeze);
            let world = Arc::clone(&self.world);
            later(length, move || world.thaw(client));
        }
    }

    async fn stall(&mut self) {
        let most = millis(self.plan().max_ttl);
        let length = some_ms(&mut self.dice, 1..=most);
        self.world
            .log(|| format!("all processes are paused for {length:?}"));
        self.world.count(Event::Stall);
        pause_all(&self.world, length).await;
    }

    fn drift(&mut self) {
        let (node, now) = (self.any_node(), self.world.now());
        if now.saturating_sub(self.drifted[node]) >= DRIFT_EVERY {
            self.drifted[node] = now;
            self.world
                .log(|| format!("node {node}: clock fast by {DRIFT_STEP:?}"));
            self.world.count(Event::Drift);
            self.world.cluster.node(node).shift_clock(DRIFT_STEP);
        }
    }

    fn step(&mut self) {
        let node = self.any_node();
        let left = self.plan().skew.saturating_sub(self.ahead[node]);
        let by = some_ms(&mut self.dice, 0..=millis(left));
        self.ahead[node] += by;
        self.world
            .log(|| format!("node {node}: clock steps by {by:?}"));
        self.world.count(Event::Step);
        self.world.cluster.node(node).shift_clock(by);
    }
}

/// Pauses all processes.
pub(crate) async fn pause_all(world: &World, length: Duration) {
    let from = world.now();
    world.record_pause_of_all(from, from + length);
    advance(length).await;
}

/// Ends all faults of the network of a machine and of the nodes.
pub(crate) fn heal(machine: &Nodes) {
    for node in machine.nodes() {
        node.delete(World::FOREIGN);
    }
    machine.heal();
}

/// A node, and how the log names the connection to it.
type Named = (String, Node);

fn later(after: Duration, action: impl FnOnce() + Send + 'static) {
    tokio::spawn(async move {
        sleep(after).await;
        action();
    });
}

/// Cuts these links off, or ends that.
pub(crate) fn cut(links: &[Node], on: bool) {
    for link in links {
        link.lose_requests(on);
        link.lose_replies(on);
    }
}

/// A fault, which also ends when this is dropped: its end is not lost where the faults end before.
pub(crate) async fn for_a_while(length: Duration, begin: impl FnOnce(), end: impl FnOnce()) {
    struct AtEnd<F: FnOnce()>(Option<F>);
    impl<F: FnOnce()> Drop for AtEnd<F> {
        fn drop(&mut self) {
            if let Some(end) = self.0.take() {
                end();
            }
        }
    }
    begin();
    let _end = AtEnd(Some(end));
    sleep(length).await;
}
