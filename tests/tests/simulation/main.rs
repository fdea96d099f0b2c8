//! Histories of the real client on nodes in memory, under paused time: each drawn from a seed, with random
//! faults, and checked for what must hold in any history.
//!
//! | variable | |
//! |---|---|
//! | `SIM_SEED=7` | `one_seed` replays this history, and `one_duel` this duel, and prints it step by step |
//! | `SIM_HISTORIES=100000` | how many histories `histories_keep_their_promises` and `duels_keep_their_promises` run |
//! | `SIM_FROM=1000000` | the first of their seeds |

mod faults;
mod history;
mod holder;
mod invariants;
mod plan;
mod renewal;
mod world;

use std::{
    env,
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use crate::plan::Plan;

/// Histories of one run, unless asked for more.
const HISTORIES: u64 = 2_000;
const DUELS: u64 = 200;

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number, not `{text}`")),
    )
}

/// What a number of histories had in all.
#[derive(Debug, Default)]
struct Totals {
    histories: u64,
    grants: usize,
    refused: usize,
    forgot: usize,
    batches: u64,
    failed: Vec<(u64, Vec<String>)>,
}

/// Runs the histories that `plan` makes of some seeds, on all processors. Ends early after `most` failed ones.
fn run_all(from: u64, histories: u64, most: usize, plan: impl Fn(u64) -> Plan + Sync) -> Totals {
    let next = AtomicU64::new(from);
    let totals = Mutex::new(Totals::default());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= from + histories
                        || totals.lock().expect("whole").failed.len() >= most
                    {
                        return;
                    }
                    let history = world::run(&plan(seed), false);
                    let mut totals = totals.lock().expect("whole");
                    totals.histories += 1;
                    totals.grants += history.grants.len();
                    totals.refused += history.refused;
                    totals.forgot += history.forgot.len();
                    totals.batches += history.batches;
                    if !history.violations.is_empty() {
                        totals.failed.push((seed, history.violations));
                    }
                }
            });
        }
    });
    totals.into_inner().expect("whole")
}

/// Runs histories, from the seeds that the environment asks for, and fails if one of them violates an invariant.
fn keep_their_promises(default: u64, replayed_by: &str, plan: impl Fn(u64) -> Plan + Sync) {
    let from = number("SIM_FROM").unwrap_or(0);
    let histories = number("SIM_HISTORIES").unwrap_or(default);
    let Totals {
        histories,
        grants,
        refused,
        forgot,
        batches,
        mut failed,
    } = run_all(from, histories, 5, plan);
    println!(
        "{histories} histories: {grants} grants, {refused} refusals, {forgot} times a node forgot, {batches} batches"
    );
    failed.sort();
    for (seed, violations) in &failed {
        println!(
            "SIM_SEED={seed}: {} violations, the first: {}",
            violations.len(),
            violations[0]
        );
    }
    assert!(
        failed.is_empty(),
        "replay with: SIM_SEED={} cargo test -p tests --test simulation {replayed_by} -- --nocapture",
        failed[0].0
    );
    assert!(
        grants as u64 > histories * 10,
        "too little happens to find anything: {grants} grants"
    );
    assert!(batches > histories, "hardly any batches: {batches}");
}

#[test]
fn histories_keep_their_promises() {
    keep_their_promises(HISTORIES, "one_seed", Plan::new);
}

/// Restarts among clients that use the whole of their ttl. A wrong restart guard seldom does harm elsewhere.
#[test]
fn duels_keep_their_promises() {
    keep_their_promises(DUELS, "one_duel", Plan::duel);
}

#[test]
fn a_history_repeats_itself() {
    for seed in 0..20 {
        let plan = Plan::new(seed);
        let (first, second) = (world::run(&plan, true), world::run(&plan, true));
        let (first, second) = (first.log.expect("a log"), second.log.expect("a log"));
        let differ = first
            .iter()
            .zip(&second)
            .find(|(first, second)| first != second);
        assert_eq!(differ, None, "seed {seed}");
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

/// Replays a history from `SIM_SEED`, if there is one.
fn replay(plan: impl Fn(u64) -> Plan) {
    let Some(seed) = number("SIM_SEED") else {
        return;
    };
    let plan = plan(seed);
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

#[test]
fn one_seed() {
    replay(Plan::new);
}

#[test]
fn one_duel() {
    replay(Plan::duel);
}
