//! Kinds of histories: what one is full of. Where a fault seldom does harm among all others, a kind
//! makes room for it.

use std::time::Duration;

use rand::RngExt;
use redlock::RestartGuard;

use crate::{
    event::Event::{
        self, BlockedThread, Busy, Delete, Drift, EmptyRestart, EndedRuntime, EqualRandom,
        FailedSave, FarContact, ForeignValue, Freeze, Full, Hang, IdleCut, Loading, LongCut,
        LongHang, Loss, ManyReleases, NewClient, Promotion, Reset, Restart, ScriptFlush, Stall,
    },
    plan::{Dice, Plan, ms, some_ms},
    variants::with_all,
};

with_all! {
    /// What a history is full of.
    Kind {
        /// Faults of many kinds.
        Any,
        /// Permits of a semaphore, on nodes that forget.
        Permits,
        /// New processes that are far away from the nodes.
        FirstContacts,
        /// Many locks at the same moments: their commands share calls.
        Crowd,
        /// Holders that count on the whole of their ttl, and many who want to be next when a node
        /// forgets.
        Duel,
        /// Locks that are deleted under their holders, with nothing else that could keep these from
        /// noticing.
        Deletions,
        /// Leases that are handed over, in processes that are blocked or stand still meanwhile.
        HandOvers,
        /// Idle connections that are cut.
        IdleCuts,
        /// Nodes that become replicas and are promoted.
        Promotions,
        /// Nodes whose memory is full.
        FullServers,
        /// Nodes that refuse writes, or everything.
        Refusals,
        /// Nodes that answer nothing, and networks that are cut, for longer than any ttl.
        LongSilences,
        /// Values of others under keys.
        ForeignValues,
        /// Processes that draw the same random numbers.
        EqualRandom,
        /// Thousands of locks that are released at once.
        ManyReleases,
        /// Clients that are used in two runtimes, one of which ends.
        Runtimes,
    }
}

impl Kind {
    /// How many of a thousand histories are of this kind.
    fn per_mille(self) -> u32 {
        match self {
            Self::Any => 376,
            Self::FirstContacts => 10,
            Self::Crowd | Self::Duel => 100,
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

    /// The kind that a variable of the environment names.
    pub(crate) fn named_by(variable: &str) -> Option<Self> {
        let name = std::env::var(variable).ok()?;
        let mut kinds = Self::ALL.iter().copied();
        let kind = kinds.find(|kind| format!("{kind:?}") == name);
        Some(kind.unwrap_or_else(|| panic!("{variable} is one of {:?}", Self::ALL)))
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

    /// Makes a history of this kind from one of any faults.
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
            Self::Crowd => crowd(plan),
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
                longest_pause: ms(100),
                ..duel(plan)
            }
            .with(&[Loss, Loss, Promotion, Promotion, Restart]),
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

/// Nothing goes wrong but these faults.
#[expect(
    clippy::needless_pass_by_value,
    reason = "each step takes the plan of the one before"
)]
fn calm(plan: Plan, faults: &[Event]) -> Plan {
    Plan {
        faults: faults.to_vec(),
        delay: Duration::ZERO,
        ..plan
    }
}

/// Leases for longer than releases take to arrive, so that one that is missing is noticed.
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

fn crowd(mut plan: Plan) -> Plan {
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
    // Under `Observed`, a new client that reaches restarted nodes only takes that for their first
    // start.
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
