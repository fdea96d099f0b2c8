//! What a seed decides before a history begins: its size, its times, and which faults it has.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use redlock::RestartGuard;

use crate::{
    event::Event::{
        self, Busy, Delay, Delete, Drift, EmptyRestart, EqualRandom, FailedSave, FarContact, Flush,
        ForeignValue, Freeze, Full, HalfOpen, Hang, HoldBack, IdleCut, Loading, LongCut, LongHang,
        Loss, ManyReleases, NewClient, Partition, Promotion, Reset, Restart, ScriptFlush, Stall,
        Step, Stop,
    },
    kind::Kind,
};

pub(crate) type Dice = Xoshiro256PlusPlus;

/// The dice of one part of a history: parts do not disturb each other's.
pub(crate) fn dice(seed: u64, part: u64) -> Dice {
    Dice::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ part)
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A duration of whole milliseconds.
pub(crate) fn some_ms(dice: &mut Dice, range: std::ops::RangeInclusive<u64>) -> Duration {
    ms(dice.random_range(range))
}

/// The longest that a request is held back, or that the network loses what is sent, but for
/// [`Event::LongCut`].
pub(crate) const LONGEST_CUT: Duration = ms(100);
/// After an outage a client connects, and sends deferred releases again, this much later at most.
pub(crate) const LONGEST_PAUSE: Duration = ms(1_100);

/// The permits of the semaphore are counted from here, behind the keys.
pub(crate) const FIRST_PERMIT: usize = 8;

/// One history, as planned.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    pub(crate) clients: usize,
    /// Tasks in each client that lock and release.
    pub(crate) tasks: usize,
    pub(crate) keys: usize,
    /// Permits of the semaphore. None: no task asks for one.
    pub(crate) permits: usize,
    /// How often a task asks for a permit, in place of a lock.
    pub(crate) permit_share: f64,
    pub(crate) max_ttl: Duration,
    pub(crate) skew: Duration,
    pub(crate) node_timeout: Duration,
    pub(crate) guard: RestartGuard,
    pub(crate) fencing: bool,
    /// Times of trouble, each with a quiet time behind it.
    pub(crate) storms: u32,
    pub(crate) storm: Duration,
    /// What goes wrong. The same fault twice is twice as frequent.
    pub(crate) faults: Vec<Event>,
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
    /// All tasks want the same, and hold it for a moment only, so that leases are handed over.
    pub(crate) brief: bool,
    /// Clients are used in two runtimes at once.
    pub(crate) two_runtimes: bool,
}

impl Plan {
    /// A history of some kind, as the seed says.
    pub(crate) fn new(seed: u64) -> Self {
        let kind = Kind::drawn(&mut dice(seed, 0));
        Self::of(kind, seed)
    }

    pub(crate) fn of(kind: Kind, seed: u64) -> Self {
        let mut dice = dice(seed, 1 << 32);
        let any = Self::any(seed, &mut dice);
        kind.shape(any, &mut dice)
    }

    /// Faults of many kinds, some of them in each history.
    fn any(seed: u64, dice: &mut Dice) -> Self {
        let strict = dice.random_bool(0.25);
        let fencing = strict || dice.random_bool(0.9);
        let mut faults = some_faults(strict, dice);
        if !strict
            && [NewClient, EqualRandom]
                .iter()
                .any(|new| faults.contains(new))
        {
            // A new client cannot know what a node forgot without a restart.
            faults.retain(|fault| *fault != Promotion);
        }
        let brief = dice.random_bool(0.5);
        let mut others = self::dice(seed, 1 << 33);
        let permits = [0, 0, 0, 2][others.random_range(0..4)];
        Self {
            seed,
            nodes: [3, 3, 3, 5, 5, 4][dice.random_range(0..6)],
            clients: dice.random_range(2..=4),
            tasks: dice.random_range(if brief { 3..=5 } else { 1..=2 }),
            keys: dice.random_range(1..=2),
            permits,
            permit_share: 0.4,
            max_ttl: some_ms(dice, 300..=1_200),
            skew: some_ms(dice, 20..=400),
            node_timeout: some_ms(dice, 15..=60),
            guard: if strict {
                RestartGuard::Strict
            } else {
                RestartGuard::Observed
            },
            fencing,
            storms: 2,
            storm: some_ms(dice, 800..=2_500),
            faults,
            longest_pause: some_ms(dice, 5..=80),
            delay: some_ms(dice, 0..=40),
            lingering: if dice.random_bool(0.3) { 0.6 } else { 0.1 },
            longest: 0.1,
            idle: ms(if brief { 20 } else { 60 }),
            brief,
            two_runtimes: false,
        }
    }

    /// Whether exclusion is promised: a clock that steps, or an operator, ends leases early.
    pub(crate) fn excludes(&self) -> bool {
        !self.has(Step) && !self.has(Delete)
    }

    pub(crate) fn has(&self, fault: Event) -> bool {
        self.faults.contains(&fault)
    }

    /// Whether new clients tell by its age alone that a node may have forgotten: one that reached only nodes that have just
    /// restarted would take that for their first start.
    pub(crate) fn judges_by_age(&self) -> bool {
        self.guard == RestartGuard::Observed && (self.has(NewClient) || self.has(EqualRandom))
    }

    /// Whether nothing happens that could cost a lock that is renewed.
    pub(crate) fn keeps_locks(&self) -> bool {
        let harmless = [
            EqualRandom,
            FarContact,
            ForeignValue,
            Full,
            IdleCut,
            ManyReleases,
            NewClient,
            ScriptFlush,
        ];
        self.faults.iter().all(|fault| harmless.contains(fault))
    }

    /// Whether, on top of that, every request can have its votes.
    pub(crate) fn has_votes(&self) -> bool {
        self.keeps_locks() && !self.has(Full)
    }

    /// Whether nodes are away for so long, or so often, that clients wait before they connect or
    /// send again.
    fn has_outages(&self) -> bool {
        let long = [
            Busy, FailedSave, LongCut, LongHang, Loading, Promotion, Stop,
        ];
        long.into_iter().any(|fault| self.has(fault))
    }

    /// How long releases may take to arrive once everything works.
    pub(crate) fn quiet(&self) -> Duration {
        // A release that was lost is sent again when the connection is given up.
        let quiet = self.node_timeout * 4 + LONGEST_CUT + self.delay * 2 + ms(50);
        if self.has_outages() {
            quiet + LONGEST_PAUSE
        } else if self.has(Partition) || self.has(Loss) {
            // After so short a cut the pause before a connection is made anew is short as well.
            quiet + ms(300)
        } else {
            quiet
        }
    }

    /// By how much the times of two runtimes may differ.
    pub(crate) fn slack(&self) -> Duration {
        if self.two_runtimes {
            ms(4)
        } else {
            Duration::ZERO
        }
    }

    /// What is locked: keys, and permits.
    pub(crate) fn targets(&self) -> impl Iterator<Item = usize> + use<> {
        let permits = FIRST_PERMIT..FIRST_PERMIT + self.permits;
        (0..self.keys).chain(permits)
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

fn some_faults(strict: bool, dice: &mut Dice) -> Vec<Event> {
    let mut faults = vec![Delay];
    for fault in [
        Loss,
        Partition,
        HoldBack,
        Reset,
        Freeze,
        Stall,
        Stop,
        Hang,
        EmptyRestart,
        NewClient,
        Drift,
    ] {
        if dice.random_bool(0.5) {
            faults.push(fault);
        }
    }
    for fault in [
        LongCut,
        HalfOpen,
        LongHang,
        Restart,
        Promotion,
        Full,
        Loading,
        Busy,
        FailedSave,
        ScriptFlush,
        EqualRandom,
        ForeignValue,
    ] {
        if dice.random_bool(0.2) {
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
    faults
}
