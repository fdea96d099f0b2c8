//! Jobs of several replicas under faults: what their firings are promised. Histories of their own, without the kinds and
//! invariants of locks.

mod clocks;
mod faults;
mod happened;
mod punctual;
mod record;

use std::{
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use rand::RngExt;
use redlock::{
    Redlock,
    job::{Missed, OnCrash, Overlap},
    memory::Nodes,
};
use tokio::time::{advance, sleep, timeout};

use self::{
    clocks::Clocks,
    faults::{Faults, Replicas},
    happened::{Counts, Happened},
    record::Record,
};
use crate::{
    plan::{Dice, dice, millis, ms, some_ms},
    run::number,
    runtimes::runtime,
};

/// The default number of histories. `SIM_HISTORIES` is for all simulations, and runs half as many of these.
const HISTORIES: u64 = 200;
const JOB: &str = "firings";
const PERIOD: Duration = ms(250);
/// Shorter than a period, so that a crash may be noticed while nothing else is due.
const TTL: Duration = ms(150);
/// Firings wait for the crash of one replica after another.
const CATCH_UP: Duration = Duration::from_secs(60);
/// As long as a period: one replica may be a whole firing ahead of another.
const SKEW: Duration = ms(250);
/// How far the clocks of the nodes differ at first, and how far each drifts.
const APART: Duration = ms(150);
const DRIFT: Duration = ms(100);
/// How old the nodes are at the first deployment.
const AGE: Duration = Duration::from_secs(3_600);
const STORM: Duration = Duration::from_secs(6);
/// Long enough for everything that is due.
const CALM: Duration = Duration::from_secs(6);
/// The end of the calm, in which each firing runs in time or is left out.
const PUNCTUAL: Duration = Duration::from_secs(3);

/// The options of the job and the size of a history.
#[derive(Clone, Copy, Debug)]
struct Plan {
    nodes: usize,
    replicas: usize,
    on_crash: OnCrash,
    missed: Missed,
    overlap: Overlap,
    /// One node loses its data now and then.
    forgets: bool,
}

impl Plan {
    fn new(dice: &mut Dice) -> Self {
        Self {
            nodes: [3, 3, 5][dice.random_range(0..3)],
            replicas: dice.random_range(2..=4),
            on_crash: [OnCrash::Rerun, OnCrash::Skip][dice.random_range(0..2)],
            missed: [Missed::All, Missed::All, Missed::Once][dice.random_range(0..3)],
            overlap: [
                Overlap::Queue,
                Overlap::Queue,
                Overlap::Skip,
                Overlap::Cancel,
            ][dice.random_range(0..4)],
            forgets: dice.random_bool(0.5),
        }
    }

    /// Whether each firing has to run. A node that has forgotten the record while others are silent costs firings.
    fn runs_all(&self) -> bool {
        self.missed == Missed::All && self.overlap == Overlap::Queue && !self.forgets
    }
}

fn client(machine: &Nodes) -> Redlock {
    let builder = Redlock::builder().nodes(machine.nodes()).max_ttl(TTL);
    let builder = builder.ttl(TTL).clock_skew(SKEW).node_timeout(ms(20));
    builder.connect_lazy().expect("a client")
}

/// Microseconds since 1970, by the clock that the nodes have before it is changed.
async fn clock(nodes: &Nodes) -> u64 {
    let redlock = client(&nodes.apart());
    let guard = redlock.lock("clock").await.expect("all nodes");
    let token = guard.token().get();
    guard.release().await.expect("all nodes");
    redlock.close().await;
    token
}

/// Looks at what is on record, until it is dropped.
async fn look(redlock: &Redlock, record: &Record) {
    loop {
        let status = timeout(ms(200), redlock.jobs().status(JOB)).await;
        if let Ok(Ok(Some(status))) = status {
            record.seen(&status);
        }
        sleep(ms(40)).await;
    }
}

async fn live(seed: u64, nodes: Nodes, plan: Plan) -> Arc<Record> {
    let mut dice_of_clocks = dice(seed, 1);
    let record = Arc::new(Record::new(plan, clock(&nodes).await, dice(seed, 2)));
    let clocks = Clocks::new(&nodes, || some_ms(&mut dice_of_clocks, 0..=millis(APART)));
    let replicas = Replicas::start(&nodes, plan, Arc::clone(&record));
    let observer = client(&nodes.apart());
    let calm = async {
        let faults = |part| Faults::new(&nodes, &replicas, &clocks, dice(seed, part));
        let [first, second] = [3, 4].map(faults);
        let storm = async { tokio::join!(first.inject(true), second.inject(false)) };
        // Each of them ends with its fault.
        let _ = timeout(STORM, storm).await;
        sleep(CALM).await;
        record.punctual(PUNCTUAL, &clocks);
    };
    tokio::select! {
        () = calm => {}
        () = look(&observer, &record) => {}
    }
    match timeout(CALM, observer.jobs().status(JOB)).await {
        Ok(Ok(Some(status))) => record.end(&status),
        other => record.violation(format!("no status after the faults: {other:?}")),
    }
    replicas.end().await;
    record
}

fn history(seed: u64) -> (Plan, Arc<Record>) {
    let runtime = runtime();
    let plan = Plan::new(&mut dice(seed, 0));
    let nodes = {
        let _inside = runtime.enter();
        Nodes::seeded(plan.nodes, seed)
    };
    runtime.block_on(advance(AGE));
    (plan, runtime.block_on(live(seed, nodes, plan)))
}

#[test]
fn firings_keep_their_promises() {
    let histories = number("SIM_HISTORIES").map_or(HISTORIES, |all| all.div_ceil(2));
    let from = number("SIM_FROM").unwrap_or(0);
    let next = AtomicU64::new(from);
    let totals = Mutex::new((Counts::default(), 0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= from + histories {
                        return;
                    }
                    let (plan, record) = history(seed);
                    let violations = record.violations();
                    assert!(
                        violations.is_empty(),
                        "SIM_FROM={seed} SIM_HISTORIES=1: {plan:?}: {violations:#?}"
                    );
                    let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
                    totals.0.add_all(&record.counts());
                    totals.1 += record.runs();
                }
            });
        }
    });
    let (counts, runs) = *totals.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{histories} histories: {runs} runs of firings\n{counts}");
    // Rare events need this many histories.
    if histories >= HISTORIES {
        let missing = counts.missing();
        assert!(missing.is_empty(), "these never occurred: {missing:?}");
    }
}
