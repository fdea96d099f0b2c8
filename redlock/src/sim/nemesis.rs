//! Makes the faults of a run, as its seed says.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::time::sleep;

use super::{
    process::{Machine, cut},
    world::{Inner, World},
};
use crate::{env::random::Random, memory::Node};

/// The shortest fault. The longest is 2^12 times as long.
const SHORTEST: Duration = Duration::from_millis(10);
const LENGTHS: u64 = 13;
/// The shortest time of a run in which a fault strikes. The longest is 2^7 times as long: some runs have all faults within some
/// milliseconds, others have one each second.
const SHORTEST_GAP: Duration = Duration::from_millis(8);
const GAPS: u64 = 8;
/// Longer than the default ttl.
const LONG_PAUSE: Duration = Duration::from_secs(11);
/// How far the clock of a node moves in all: less than the default clock skew.
const LONGEST_SHIFT: Duration = Duration::from_secs(4);

/// A kind of fault that may happen in a run, see [the table](super#what-may-happen).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hazard {
    /// A process is paused.
    Pause,
    /// A process crashes.
    Crash,
    /// Replies to a process are lost.
    LostReplies,
    /// A process and a node do not reach each other.
    Cut,
    /// A node hangs, is down or restarts empty.
    Node,
    /// The clock of a node moves forward.
    ClockShift,
}

impl Hazard {
    pub(super) const ALL: [Self; 6] = [
        Self::Pause,
        Self::Crash,
        Self::LostReplies,
        Self::Cut,
        Self::Node,
        Self::ClockShift,
    ];
}

/// Draws and makes faults.
pub(super) struct Nemesis {
    world: Arc<Inner>,
    random: Random,
    hazards: Vec<Hazard>,
    /// How many are to come.
    faults: usize,
    /// The longest time between two of them.
    gap: Duration,
    /// By how much each node's clock has moved.
    shifted: Vec<Duration>,
    /// The nodes that have forgotten their data: a minority at most.
    forgot: Vec<usize>,
}

impl Nemesis {
    pub(super) fn new(world: &World, hazards: &[Hazard], most: usize) -> Self {
        let mut nemesis = Self {
            random: Random::seeded(world.seed()),
            hazards: Vec::new(),
            faults: 0,
            gap: SHORTEST_GAP,
            shifted: vec![Duration::ZERO; world.nodes().nodes().len()],
            forgot: Vec::new(),
            world: Arc::clone(&world.inner),
        };
        // Some kinds of faults only, so that each has runs in which it is frequent.
        nemesis.hazards = hazards.to_vec();
        nemesis.hazards.retain(|_| nemesis.random.draw::<bool>());
        if nemesis.hazards.is_empty() && !hazards.is_empty() {
            nemesis.hazards = vec![hazards[nemesis.below(hazards.len())]];
        }
        if !nemesis.hazards.is_empty() && most > 0 {
            nemesis.faults = 1 + nemesis.below(most);
        }
        nemesis.gap = SHORTEST_GAP * (1 << (nemesis.random.draw::<u64>() % GAPS));
        nemesis
    }

    /// Makes the faults of the run.
    pub(super) async fn strike_all(mut self) {
        let gap = u64::try_from(self.gap.as_micros()).unwrap_or(u64::MAX);
        for _ in 0..self.faults {
            sleep(Duration::from_micros(self.random.draw::<u64>() % gap)).await;
            if self.world.calm.load(Relaxed) {
                return;
            }
            let hazard = self.drawn();
            self.strike(hazard);
        }
    }

    /// Half of the faults are pauses, if there are any: they are what most code does not expect.
    fn drawn(&self) -> Hazard {
        if self.hazards.contains(&Hazard::Pause) && self.random.draw() {
            return Hazard::Pause;
        }
        self.hazards[self.below(self.hazards.len())]
    }

    fn below(&self, end: usize) -> usize {
        let drawn = self.random.draw::<u64>() % (end.max(1) as u64);
        usize::try_from(drawn).unwrap_or_default()
    }

    /// From 10 ms to 40 s: as often 20 ms as 20 s.
    fn some_time(&self) -> Duration {
        SHORTEST * (1 << (self.random.draw::<u64>() % LENGTHS))
    }

    fn strike(&mut self, hazard: Hazard) {
        match hazard {
            Hazard::Pause => self.pause(),
            Hazard::Crash => self.crash(),
            Hazard::LostReplies => self.network("loses the replies of", Node::lose_replies),
            Hazard::Cut => self.network("is cut off from", cut),
            Hazard::Node => self.node(),
            Hazard::ClockShift => self.shift_clock(),
        }
    }

    /// One of the processes that run, and does something to it.
    fn with_process(&self, act: impl FnOnce(&mut Machine)) {
        let mut machines = self.world.machines();
        let running: Vec<usize> = (0..machines.len())
            .filter(|index| machines[*index].runs())
            .collect();
        if !running.is_empty() {
            act(&mut machines[running[self.below(running.len())]]);
        }
    }

    /// Half of the pauses are longer than the default ttl.
    fn pause(&self) {
        let length = match self.random.draw() {
            true => self.some_time(),
            false => LONG_PAUSE + self.some_time() / 2,
        };
        self.with_process(|machine| {
            if !machine.pause() {
                return; // it is paused already
            }
            let number = machine.number;
            self.world
                .note(|| format!("process {number} is paused for {length:?}"));
            let world = Arc::clone(&self.world);
            later(length, move || world.with_machine(number, Machine::resume));
        });
    }

    fn crash(&self) {
        self.with_process(|machine| {
            let number = machine.number;
            self.world.note(|| format!("process {number} crashes"));
            machine.crash();
        });
    }

    fn network(&self, what: &str, switch: fn(&Node, bool)) {
        let (length, index) = (self.some_time(), self.below(self.shifted.len()));
        self.with_process(|machine| {
            let (number, node) = (machine.number, machine.nodes.node(index));
            self.world
                .note(|| format!("process {number} {what} node {index} for {length:?}"));
            switch(&node, true);
            let world = Arc::clone(&self.world);
            later(length, move || {
                world.with_machine(number, |machine| machine.reach(index, switch));
            });
        });
    }

    fn node(&mut self) {
        match self.below(3) {
            0 => self.outage("hangs", Node::hang, Node::resume),
            1 => self.outage("is down", Node::stop, Node::start),
            _ => self.forget(),
        }
    }

    fn outage(&self, what: &str, begin: fn(&Node), end: fn(&Node)) {
        let (length, index) = (self.some_time(), self.below(self.shifted.len()));
        let node = self.world.nodes.node(index);
        self.world
            .note(|| format!("node {index} {what} for {length:?}"));
        begin(&node);
        later(length, move || end(&node));
    }

    fn forget(&mut self) {
        let index = self.below(self.shifted.len());
        let minority = (self.shifted.len() - 1) / 2;
        if !self.forgot.contains(&index) {
            if self.forgot.len() >= minority {
                return;
            }
            self.forgot.push(index);
        }
        self.world.note(|| format!("node {index} restarts empty"));
        self.world.nodes.node(index).restart_empty();
    }

    fn shift_clock(&mut self) {
        let index = self.below(self.shifted.len());
        let by = self.some_time().min(LONGEST_SHIFT - self.shifted[index]);
        self.shifted[index] += by;
        self.world
            .note(|| format!("the clock of node {index} moves forward by {by:?}"));
        self.world.nodes.node(index).shift_clock(by);
    }
}

fn later(after: Duration, what: impl FnOnce() + Send + 'static) {
    tokio::spawn(async move {
        sleep(after).await;
        what();
    });
}
