//! Kinds of histories, each with its own faults and load. A fault that rarely does harm among all
//! others has a kind of its own.

use std::time::Duration;

use rand::RngExt;
use redlock::RestartGuard;

use crate::{
    event::Event::{
        self, BareMajority, BlockedThread, Busy, Delete, Drift, EmptyRestart, EndedRuntime,
        EqualRandom, FailedSave, FarContact, ForeignValue, Freeze, Full, Hang, IdleCut, Loading,
        LongCut, LongHang, Loss, ManyReleases, NewClient, Promotion, Reset, ScriptFlush, Stall,
    },
    plan::{Dice, Plan, ms, some_ms},
    variants::with_all,
};

with_all! {
    /// What a history concentrates on.
    Kind {
        /// Faults of many kinds.
        Any,
        /// Permits of a semaphore, on nodes that lose their data.
        Permits,
        /// New processes that connect over a slow network.
        FirstContacts,
        /// Many locks at the same time, so that commands are batched.
        Batches,
        /// Holders that use their whole ttl, and many waiters that may get the lock too early when
        /// a node loses its data.
        Duel,
        /// Keys that are deleted while their locks are held. No other fault can delay the holders
        /// in noticing it.
        Deletions,
        /// Leases that are handed over while processes are blocked or paused.
        HandOvers,
        /// Idle connections that are cut.
        IdleCuts,
        /// Nodes that become replicas and are promoted, while a holder needs their votes.
        Promotions,
        /// Nodes whose memory is full.
        FullServers,
        /// Nodes that refuse writes, or all commands.
        Refusals,
        /// Nodes that hang, and networks that are cut, for longer than any ttl.
        LongSilences,
        /// Foreign values under keys.
        ForeignValues,
        /// Processes with the same random state.
        EqualRandom,
        /// Thousands of locks that are released at once.
        ManyReleases,
        /// Clients that are used in two runtimes, one of which is shut down.
        Runtimes,
    }
}

impl Kind {
    /// The share of histories of this kind, per mille.
    fn per_mille(self) -> u32 {
        match self {
            Self::Any => 376,
            Self::FirstContacts => 10,
            Self::Batches | Self::Duel => 100,
            Self::Deletions => 60,
            Self::HandOvers => 80,
            Self::IdleCuts
            | Self::Permits
            | Self::Promotions
            | Self::FullServers
            | Self::ForeignValues => 30,
            Self::EqualRandom | Self::Runtimes => 20,
            Self::Refusals | Self::LongSilences => 40,
            Self::ManyReleases => 4,
        }
    }

    /// The kind that an environment variable names.
    pub(crate) fn named_by(variable: &str) -> Option<Self> {
        let name = std::env::var(variable).ok()?;
        let mut kinds = Self::ALL.iter().copied();
        let kind = kinds.find(|kind| format!("{kind:?}") == name);
        Some(kind.unwrap_or_else(|| panic!("{variable} must be one of {:?}", Self::ALL)))
    }

    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        let mut number = dice.random_range(0..Self::ALL.iter().map(|kind| kind.per_mille()).sum());
        for &kind in Self::ALL {
            match number.checked_sub(kind.per_mille()) {
                None => return kind,
                Some(rest) => number = rest,
            }
        }
        Self::Any
    }

    /// Turns a plan with any faults into one of this kind.
    pub(crate) fn shape(self, plan: Plan, dice: &mut Dice) -> Plan {
        match self {
            Self::Any => plan,
            Self::Permits => Plan {
                permits: dice.random_range(1..=3),
                permit_share: 0.9,
                tasks: 3,
                ..duel(plan)
            },
            Self::FirstContacts => Plan {
                storm: ms(200),
                ..calm(plan, &[FarContact])
            },
            Self::Batches => batches(plan),
            Self::Duel => duel(plan),
            Self::Deletions => Plan {
                brief: false,
                tasks: plan.tasks.min(2),
                lingering: 0.6,
                ..calm(plan, &[Delete])
            },
            Self::HandOvers => Plan {
                brief: true,
                clients: 2,
                tasks: dice.random_range(3..=6),
                keys: 1,
                idle: ms(20),
                ..calm(plan, &[BlockedThread, BlockedThread, Freeze, Stall, Reset])
            },
            Self::IdleCuts => Plan {
                storm: ms(200),
                ..calm(plan, &[IdleCut])
            },
            Self::Promotions => Plan {
                tasks: 1,
                idle: ms(60),
                no_wait: 1.0,
                ..duel(plan)
            }
            .with(&[BareMajority, Promotion, Promotion]),
            Self::FullServers => Plan {
                lingering: 0.0,
                brief: false,
                max_ttl: some_ms(dice, 300..=600),
                ..calm(plan, &[Full])
            },
            Self::Refusals => long(
                plan,
                dice,
                &[Busy, FailedSave, FailedSave, Loading, Promotion],
            ),
            Self::LongSilences => long(plan, dice, &[LongHang, LongHang, LongCut]),
            Self::ForeignValues => Plan {
                longest_pause: ms(100),
                ..calm(plan, &[ForeignValue, ForeignValue, ScriptFlush])
            },
            Self::EqualRandom => Plan {
                keys: 1,
                brief: false,
                tasks: 4,
                clients: 2,
                longest_pause: ms(100),
                ..calm(plan, &[EqualRandom])
            },
            Self::ManyReleases => Plan {
                fencing: true,
                nodes: 3,
                tasks: 1,
                max_ttl: some_ms(dice, 3_000..=6_000),
                storm: ms(100),
                storms: 1,
                ..calm(plan, &[ManyReleases])
            },
            Self::Runtimes => Plan {
                two_runtimes: true,
                tasks: dice.random_range(2..=4),
                ..calm(plan, &[EndedRuntime, Reset, Freeze, Hang])
            },
        }
    }
}

/// No faults but these, and no delays.
#[expect(
    clippy::needless_pass_by_value,
    reason = "each step takes the plan of the previous one"
)]
fn calm(plan: Plan, faults: &[Event]) -> Plan {
    Plan {
        faults: faults.to_vec(),
        delay: Duration::ZERO,
        ..plan
    }
}

/// Leases that last longer than a release takes to arrive, so that a missing release is noticed.
fn long(plan: Plan, dice: &mut Dice, faults: &[Event]) -> Plan {
    Plan {
        fencing: true,
        max_ttl: some_ms(dice, 3_000..=6_000),
        storm: some_ms(dice, 3_000..=8_000),
        longest_pause: ms(500),
        idle: ms(200),
        ..calm(plan, faults)
    }
}

fn batches(mut plan: Plan) -> Plan {
    plan.faults.extend([ScriptFlush, Full, Reset]);
    Plan {
        tasks: 5,
        keys: 6,
        idle: ms(5),
        brief: false,
        ..plan
    }
}

fn duel(plan: Plan) -> Plan {
    let mut faults = vec![Loss, Loss, EmptyRestart, EmptyRestart, Drift];
    // Under `Observed`, a new client that reaches only restarted nodes cannot distinguish this from
    // their first start.
    if plan.guard == RestartGuard::Strict {
        faults.push(NewClient);
    }
    Plan {
        nodes: 3,
        clients: 3,
        tasks: 2,
        keys: 1,
        longest_pause: ms(30),
        lingering: 0.9,
        longest: 0.9,
        idle: ms(15),
        brief: false,
        ..calm(plan, &faults)
    }
}

impl Plan {
    fn with(self, faults: &[Event]) -> Self {
        Self {
            faults: faults.to_vec(),
            ..self
        }
    }
}
