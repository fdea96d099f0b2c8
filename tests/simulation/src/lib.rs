//! Random histories of the real client on nodes in memory, under simulated time. Each is generated
//! from a seed, has random faults, and is checked for the invariants of every history.
//!
//! | variable | |
//! |---|---|
//! | `SIM_SEED=7` | `one_seed` replays this history and prints it step by step |
//! | `SIM_KIND=Duel` | makes it a history of this kind, not of the kind that the seed draws |
//! | `SIM_HISTORIES=100000` | how many histories a test runs |
//! | `SIM_FROM=1000000` | the first seed |
//!
//! Without these variables a test runs few histories. `scripts/test --full` runs 10,000, in the
//! profile `sim`, and prints how often each kind of event occurred.
#![cfg(test)]

mod event;
mod faults;
mod firings;
mod grants;
mod history;
mod holder;
mod invariants;
mod kind;
mod many;
mod plan;
mod process;
mod renewal;
mod run;
mod runtimes;
mod sides;
mod slots;
mod variants;
mod world;

use crate::{
    event::Event,
    kind::Kind,
    run::{keep_their_promises, number, plan},
};

/// The default number of histories of a run.
const HISTORIES: u64 = 300;
/// The default number of histories of one kind.
const OF_ONE_KIND: u64 = 10;

#[test]
fn histories_keep_their_promises() {
    let totals = keep_their_promises(HISTORIES, None);
    let grants = totals.grants as u64;
    assert!(
        grants > totals.histories * 10,
        "too little happens to find anything: {grants} grants"
    );
    // Rare events need this many histories.
    if totals.histories < HISTORIES {
        return;
    }
    let handed_over = totals.events.of(Event::HandOver);
    assert!(
        handed_over * 5 >= grants,
        "less than a fifth of the grants are handed over"
    );
    assert!(
        totals.batches > totals.histories,
        "hardly any batches: {}",
        totals.batches
    );
    let missing = totals.events.missing();
    assert!(missing.is_empty(), "these never occurred: {missing:?}");
}

/// Histories of one kind each.
macro_rules! kinds {
    ($($test:ident: $kind:ident,)*) => {$(
        #[test]
        fn $test() {
            keep_their_promises(OF_ONE_KIND, Some(Kind::$kind));
        }
    )*};
}

kinds! {
    batches: Batches,
    deletions: Deletions,
    duels: Duel,
    equal_random_states: EqualRandom,
    first_contacts: FirstContacts,
    foreign_values: ForeignValues,
    full_servers: FullServers,
    hand_overs: HandOvers,
    idle_cuts: IdleCuts,
    long_silences: LongSilences,
    permits: Permits,
    promotions: Promotions,
    refusals: Refusals,
    two_runtimes: Runtimes,
}

#[test]
fn many_releases() {
    keep_their_promises(1, Some(Kind::ManyReleases));
}

/// Left out are histories with processes of the same random state, which are ordered on a waitlist by the
/// unique part of their names, and with two runtimes, which share one time. Those with many releases
/// differ too, and the cause is not known yet.
#[test]
fn a_history_repeats_itself() {
    let differs = [Kind::ManyReleases, Kind::Runtimes];
    let kinds = Kind::ALL.iter().filter(|kind| !differs.contains(kind));
    for (kind, seed) in kinds.flat_map(|kind| [(*kind, 0), (*kind, 1)]) {
        let plan = plan(Some(kind), seed);
        if plan.has(Event::EqualRandom) {
            continue;
        }
        let (first, second) = (world::run(&plan, true), world::run(&plan, true));
        let (first, second) = (first.log.expect("a log"), second.log.expect("a log"));
        let differ = first
            .iter()
            .zip(&second)
            .find(|(first, second)| first != second);
        assert_eq!(differ, None, "{kind:?}, seed {seed}");
        assert_eq!(first.len(), second.len(), "{kind:?}, seed {seed}");
    }
}

/// Replays `SIM_SEED`, if there is one.
#[test]
fn one_seed() {
    let Some(seed) = number("SIM_SEED") else {
        return;
    };
    let plan = plan(Kind::named_by("SIM_KIND"), seed);
    println!("{plan:#?}");
    let history = world::run(&plan, true);
    for line in history.log.iter().flatten() {
        println!("{line}");
    }
    for violation in &history.violations {
        println!("{violation}");
    }
    assert!(
        history.violations.is_empty(),
        "seed {seed} has {} violations",
        history.violations.len()
    );
}
