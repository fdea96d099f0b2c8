//! The plan of a history, drawn from its seed: its size, its durations and its faults.

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

/// The random numbers of one part of a history, independent of those of other parts.
pub(crate) fn dice(seed: u64, part: u64) -> Dice {
    Dice::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ part)
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The duration in whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A random duration in whole milliseconds.
pub(crate) fn some_ms(dice: &mut Dice, range: std::ops::RangeInclusive<u64>) -> Duration {
    ms(dice.random_range(range))
}

/// The longest time that the network holds requests back or loses messages, except for
/// [`Event::LongCut`].
pub(crate) const LONGEST_CUT: Duration = ms(100);
/// The longest time after an outage until a client connects and sends deferred releases again.
pub(crate) const LONGEST_PAUSE: Duration = ms(1_100);

/// The index of the first permit of the semaphore. Indices below it are keys.
pub(crate) const FIRST_PERMIT: usize = 8;

/// The plan of one history.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    pub(crate) clients: usize,
    /// Tasks in each client that lock and release.
    pub(crate) tasks: usize,
    pub(crate) keys: usize,
    /// Permits of the semaphore. 0: no task requests one.
    pub(crate) permits: usize,
    /// The probability that a task requests a permit instead of a lock.
    pub(crate) permit_share: f64,
    pub(crate) max_ttl: Duration,
    pub(crate) skew: Duration,
    pub(crate) node_timeout: Duration,
    pub(crate) guard: RestartGuard,
    pub(crate) fencing: bool,
    /// Periods of faults, each followed by a period without faults.
    pub(crate) storms: u32,
    pub(crate) storm: Duration,
    /// The faults to draw from. One that is listed twice is twice as frequent.
    pub(crate) faults: Vec<Event>,
    /// The longest pause between two faults.
    pub(crate) longest_pause: Duration,
    /// The longest delay of the network, each way.
    pub(crate) delay: Duration,
    /// The probability that a holder keeps the lock until it is lost instead of releasing it.
    pub(crate) lingering: f64,
    /// The probability that a lock has the longest ttl and is not renewed.
    pub(crate) longest: f64,
    /// The longest pause of a task between two locks.
    pub(crate) idle: Duration,
    /// The probability that a request does not wait.
    pub(crate) no_wait: f64,
    /// All tasks make the same short requests, so that leases are handed over.
    pub(crate) brief: bool,
    /// Clients are used in two runtimes at once.
    pub(crate) two_runtimes: bool,
}

impl Plan {
    /// The plan of a seed, which also draws the kind.
    pub(crate) fn new(seed: u64) -> Self {
        let kind = Kind::drawn(&mut dice(seed, 0));
        Self::of(kind, seed)
    }

    pub(crate) fn of(kind: Kind, seed: u64) -> Self {
        let mut dice = dice(seed, 1 << 32);
        let any = Self::any(seed, &mut dice);
        kind.shape(any, &mut dice)
    }

    /// A plan with some faults of many kinds.
    fn any(seed: u64, dice: &mut Dice) -> Self {
        let strict = dice.random_bool(0.25);
        let fencing = strict || dice.random_bool(0.9);
        let mut faults = some_faults(strict, dice);
        if !strict
            && [NewClient, EqualRandom]
                .iter()
                .any(|new| faults.contains(new))
        {
            // A new client cannot notice that a node lost data without a restart.
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
            no_wait: 0.4,
            brief,
            two_runtimes: false,
        }
    }

    /// Whether mutual exclusion is promised. A clock step, or an operator who deletes keys, ends
    /// leases early.
    pub(crate) fn excludes(&self) -> bool {
        !self.has(Step) && !self.has(Delete)
    }

    pub(crate) fn has(&self, fault: Event) -> bool {
        self.faults.contains(&fault)
    }

    /// Whether new clients judge by its age alone whether a node may have lost data. A client that
    /// reaches only restarted nodes cannot distinguish this from their first start.
    pub(crate) fn judges_by_age(&self) -> bool {
        self.guard == RestartGuard::Observed && (self.has(NewClient) || self.has(EqualRandom))
    }

    /// Whether no fault can make a holder lose a renewed lock.
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

    /// Whether, in addition, every request can get a majority of votes.
    pub(crate) fn has_votes(&self) -> bool {
        self.keeps_locks() && !self.has(Full)
    }

    /// Whether nodes are unavailable for so long, or so often, that clients back off before they
    /// connect or send again.
    fn has_outages(&self) -> bool {
        let long = [
            Busy, FailedSave, LongCut, LongHang, Loading, Promotion, Stop,
        ];
        long.into_iter().any(|fault| self.has(fault))
    }

    /// How long releases may take to arrive after the faults have ended.
    pub(crate) fn quiet(&self) -> Duration {
        // A lost release is sent again once the connection is closed.
        let quiet = self.node_timeout * 4 + LONGEST_CUT + self.delay * 2 + ms(50);
        if self.has_outages() {
            quiet + LONGEST_PAUSE
        } else if self.has(Partition) || self.has(Loss) {
            // After a short cut, the back-off before the next connection is short as well.
            quiet + ms(300)
        } else {
            quiet
        }
    }

    /// How much the clocks of two runtimes may differ.
    pub(crate) fn slack(&self) -> Duration {
        if self.two_runtimes {
            ms(4)
        } else {
            Duration::ZERO
        }
    }

    /// All keys and permits.
    pub(crate) fn targets(&self) -> impl Iterator<Item = usize> + use<> {
        let permits = FIRST_PERMIT..FIRST_PERMIT + self.permits;
        (0..self.keys).chain(permits)
    }

    pub(crate) fn quorum(&self) -> usize {
        self.nodes / 2 + 1
    }

    /// How many nodes may have lost data at a time.
    pub(crate) fn minority(&self) -> usize {
        self.nodes - self.quorum()
    }

    /// For how long the votes of a node that lost data do not count.
    pub(crate) fn guard_time(&self) -> Duration {
        self.max_ttl + self.max_ttl / 100 + self.skew
    }

    /// A ttl without the allowance for clock drift.
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
    // These void guarantees that the others do not affect, so fewer histories have them.
    if dice.random_bool(0.1) {
        faults.push(Step);
    }
    if strict && dice.random_bool(0.3) {
        faults.push(Flush);
    }
    faults
}
