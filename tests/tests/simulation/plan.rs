//! What a seed decides before a history begins: its size, its times, and which faults it has.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use redlock::RestartGuard;

pub(crate) type Dice = Xoshiro256PlusPlus;

/// The dice of one part of a history: parts do not disturb each other's.
pub(crate) fn dice(seed: u64, part: u64) -> Dice {
    Dice::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ part)
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A duration of whole milliseconds.
pub(crate) fn some_ms(dice: &mut Dice, range: std::ops::RangeInclusive<u64>) -> Duration {
    ms(dice.random_range(range))
}

/// The longest that a request is held back, or that a path loses what is sent.
pub(crate) const LONGEST_CUT: Duration = ms(100);

/// One history, as planned.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    pub(crate) clients: usize,
    /// Tasks in each client that lock and release.
    pub(crate) tasks: usize,
    pub(crate) keys: usize,
    pub(crate) max_ttl: Duration,
    pub(crate) skew: Duration,
    pub(crate) node_timeout: Duration,
    pub(crate) guard: RestartGuard,
    pub(crate) fencing: bool,
    /// Times of trouble, each with a quiet time behind it.
    pub(crate) storms: u32,
    pub(crate) storm: Duration,
    pub(crate) faults: Vec<Fault>,
    /// The longest pause between two faults.
    pub(crate) longest_pause: Duration,
    /// The longest delay of the network, each way.
    pub(crate) delay: Duration,
    /// How often holders stay until the lock is lost, in place of releasing it.
    pub(crate) lingering: f64,
    /// How often locks have the longest ttl that there may be, and end with it.
    pub(crate) longest: f64,
    /// The longest pause of a task between two locks.
    pub(crate) idle: Duration,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A way to a node gets other delays.
    Delay,
    /// A way loses what is sent, the answers, or both.
    Loss,
    /// A client is cut off from some nodes.
    Partition,
    /// What is sent is held back, overtaken over a new connection, and delivered late.
    HoldBack,
    /// Connections break.
    Reset,
    /// A client's process stands still.
    Freeze,
    /// All processes stand still.
    Stall,
    /// A node forgets and starts anew.
    Restart,
    /// A node cannot be reached by anybody.
    Stop,
    /// A node answers nothing.
    Hang,
    /// A client's process is replaced by a new one that has met no node yet.
    NewClient,
    /// A node's clock runs fast, within what validity allows for.
    Drift,
    /// A node's clock steps forward, within the skew bound.
    Step,
    /// A node forgets, and is the same process as before.
    Flush,
    /// An operator deletes a key on some nodes.
    Delete,
    /// A node forgets the scripts.
    Scripts,
    /// A node has no memory for new locks.
    Full,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let dice = &mut dice(seed, 0);
        let plan = Self::any(seed, dice);
        match dice.random_range(0..100) {
            0..60 => plan,
            60..75 => plan.into_crowd(),
            75..90 => plan.into_duel(),
            _ => plan.into_deletions(),
        }
    }

    /// Faults of all kinds, some of them in each history.
    fn any(seed: u64, dice: &mut Dice) -> Self {
        use Fault::{
            Delay, Drift, Flush, Freeze, Hang, HoldBack, Loss, NewClient, Partition, Reset,
            Restart, Stall, Step, Stop,
        };
        let strict = dice.random_bool(0.25);
        let fencing = strict || dice.random_bool(0.9);
        let mut faults = vec![Delay];
        for fault in [
            Loss, Partition, HoldBack, Reset, Freeze, Stall, Restart, Stop, Hang, NewClient, Drift,
        ] {
            if dice.random_bool(0.5) {
                faults.push(fault);
            }
        }
        // These break promises that the others leave whole, so fewer histories have them.
        if dice.random_bool(0.1) {
            faults.push(Step);
        }
        if strict && dice.random_bool(0.3) {
            faults.push(Flush);
        }
        let max_ttl = some_ms(dice, 300..=1_200);
        Self {
            seed,
            nodes: [3, 3, 3, 5, 5, 4][dice.random_range(0..6)],
            clients: dice.random_range(2..=4),
            tasks: dice.random_range(1..=2),
            keys: dice.random_range(1..=2),
            max_ttl,
            skew: some_ms(dice, 20..=400),
            node_timeout: some_ms(dice, 15..=60),
            guard: if strict {
                RestartGuard::Strict
            } else {
                RestartGuard::Observed
            },
            fencing,
            storms: 3,
            storm: some_ms(dice, 800..=2_500),
            faults,
            longest_pause: some_ms(dice, 5..=80),
            delay: some_ms(dice, 0..=40),
            lingering: if dice.random_bool(0.3) { 0.6 } else { 0.1 },
            longest: 0.1,
            idle: ms(60),
        }
    }

    /// A duel, whatever the seed.
    pub(crate) fn duel(seed: u64) -> Self {
        Self::any(seed, &mut dice(seed, 0)).into_duel()
    }

    /// Holders that count on the whole of their ttl, and many who want to be next when a node forgets.
    fn into_duel(self) -> Self {
        use Fault::{Drift, Loss, NewClient, Restart};
        let mut faults = vec![Loss, Loss, Restart, Restart, Drift];
        // Under `Observed`, a new client that reaches restarted nodes only takes that for their first start.
        if self.guard == RestartGuard::Strict {
            faults.push(NewClient);
        }
        Self {
            nodes: 3,
            clients: 3,
            tasks: 2,
            keys: 1,
            faults,
            longest_pause: ms(30),
            delay: Duration::ZERO,
            lingering: 0.9,
            longest: 0.9,
            idle: ms(15),
            ..self
        }
    }

    /// Many locks at the same moments: their commands share calls.
    fn into_crowd(mut self) -> Self {
        self.faults
            .extend([Fault::Scripts, Fault::Full, Fault::Reset]);
        Self {
            tasks: 5,
            keys: 6,
            idle: ms(5),
            ..self
        }
    }

    /// Locks that are deleted under their holders, with nothing else that could keep these from hearing of it.
    fn into_deletions(self) -> Self {
        Self {
            faults: vec![Fault::Delete],
            delay: Duration::ZERO,
            lingering: 0.6,
            ..self
        }
    }

    /// Whether exclusion is promised: a clock that steps, or an operator, ends leases early.
    pub(crate) fn excludes(&self) -> bool {
        !self.has(Fault::Step) && !self.has(Fault::Delete)
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    pub(crate) fn quorum(&self) -> usize {
        self.nodes / 2 + 1
    }

    /// How many nodes may have forgotten at a time.
    pub(crate) fn minority(&self) -> usize {
        self.nodes - self.quorum()
    }

    /// For how long a node that forgot has no vote.
    pub(crate) fn guard_time(&self) -> Duration {
        self.max_ttl + self.max_ttl / 100 + self.skew
    }

    /// What is left of a ttl after drift is taken off.
    pub(crate) fn usable(ttl: Duration) -> Duration {
        ttl.saturating_sub(ttl / 100 + ms(2))
    }
}
