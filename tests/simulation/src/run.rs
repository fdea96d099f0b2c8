//! Runs many histories on all processors and adds up their results.

use std::{
    collections::BTreeMap,
    env,
    num::NonZero,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{event::Counts, kind::Kind, plan::Plan, world};

/// The totals of many histories.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) histories: u64,
    pub(crate) grants: usize,
    pub(crate) refused: usize,
    pub(crate) violations: usize,
    pub(crate) batches: u64,
    pub(crate) events: Counts,
    failed: Vec<(u64, Vec<String>)>,
}

pub(crate) fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} must be a number, not `{text}`")),
    )
}

/// The plan of a seed, of this kind or of the kind that the seed draws.
pub(crate) fn plan(kind: Option<Kind>, seed: u64) -> Plan {
    kind.map_or_else(|| Plan::new(seed), |kind| Plan::of(kind, seed))
}

/// Runs the histories of `histories` seeds. Stops early after five failures.
fn run_all(from: u64, histories: u64, kind: Option<Kind>) -> Totals {
    let next = AtomicU64::new(from);
    let totals = Mutex::new(Totals::default());
    let watchdog = Watchdog::start();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= from + histories || totals.lock().expect("whole").failed.len() >= 5 {
                        return;
                    }
                    watchdog.begins(seed);
                    let history = world::run(&plan(kind, seed), false);
                    watchdog.ends(seed);
                    let mut totals = totals.lock().expect("whole");
                    totals.histories += 1;
                    totals.grants += history.grants.len();
                    totals.refused += history.refused;
                    totals.violations += history.violations.len();
                    totals.batches += history.batches;
                    totals.events.add_all(&history.events);
                    if !history.violations.is_empty() {
                        totals.failed.push((seed, history.violations));
                    }
                }
            });
        }
    });
    totals.into_inner().expect("whole")
}

/// Runs histories, with the seeds that the environment sets, and fails if one of them violates an
/// invariant.
pub(crate) fn keep_their_promises(default: u64, kind: Option<Kind>) -> Totals {
    let from = number("SIM_FROM").unwrap_or(0);
    let histories = number("SIM_HISTORIES").unwrap_or(default);
    let begun = Instant::now();
    let mut totals = run_all(from, histories, kind);
    totals.failed.sort();
    let of = kind.map_or_else(String::new, |kind| format!("SIM_KIND={kind:?} "));
    println!(
        "{of}{} histories in {} s: {} grants, {} refusals, {} batches, {} violations",
        totals.histories,
        begun.elapsed().as_secs(),
        totals.grants,
        totals.refused,
        totals.batches,
        totals.violations,
    );
    if kind.is_none() {
        print!("{}", totals.events);
    }
    for (seed, violations) in &totals.failed {
        println!(
            "{of}SIM_SEED={seed}: {} violations, the first: {}",
            violations.len(),
            violations[0]
        );
    }
    assert!(
        totals.failed.is_empty(),
        "replay with: {of}SIM_SEED={} cargo test -p simulation one_seed -- --nocapture",
        totals.failed[0].0
    );
    totals
}

/// Aborts a run in which a history does not end. Simulated time does not advance while a task loops
/// without waiting.
struct Watchdog(Arc<Mutex<BTreeMap<u64, Instant>>>);

impl Watchdog {
    /// Many times longer than the longest history takes.
    const MAX_TIME: Duration = Duration::from_secs(120);

    fn start() -> Self {
        let running: Arc<Mutex<BTreeMap<u64, Instant>>> = Arc::default();
        let watched = Arc::downgrade(&running);
        thread::spawn(move || {
            while let Some(running) = watched.upgrade() {
                let running = running.lock().expect("whole").clone();
                for (seed, since) in running {
                    if since.elapsed() > Self::MAX_TIME {
                        eprintln!("SIM_SEED={seed}: does not end");
                        std::process::abort();
                    }
                }
                thread::sleep(Duration::from_secs(1));
            }
        });
        Self(running)
    }

    fn begins(&self, seed: u64) {
        let now = Instant::now();
        self.0.lock().expect("whole").insert(seed, now);
    }

    fn ends(&self, seed: u64) {
        self.0.lock().expect("whole").remove(&seed);
    }
}
