//! Many firings while processes and nodes fail. `FIRINGS=200` are the long run.

use std::time::Duration;

use rand::random_range;

use crate::{SOON, history::History, replicas::Replicas};

/// Longer than the ttl of the replicas.
const STOPPED: [u64; 2] = [1200, 2500];
const DOWN: [u64; 2] = [100, 1000];

fn firings() -> u64 {
    std::env::var("FIRINGS").map_or(30, |firings| firings.parse().expect("a number"))
}

fn millis(range: [u64; 2]) -> Duration {
    Duration::from_millis(random_range(range[0]..range[1]))
}

/// Runs that many firings under faults, and then all that were due meanwhile.
async fn run(kind: &'static [&'static str], firings: u64) -> (Replicas, History, u64) {
    let mut replicas = Replicas::start(kind).await;
    replicas
        .until(SOON, |history| !history.runs.is_empty())
        .await;
    let first = replicas.history().first().expect("a run");
    let progress = |history: &History| history.last().unwrap_or(first) - first;
    let mut faults = 0;
    while progress(&replicas.history()) < firings {
        if progress(&replicas.history()) >= firings / 3 {
            replicas.nodes.node(0).kill();
        }
        // Every other fault meets the replica that runs a firing.
        let place = match faults % 4 {
            0 | 1 => replicas.busy().await,
            _ => random_range(0..5),
        };
        match faults % 2 {
            0 => replicas.replace(place, millis(DOWN)).await,
            _ => replicas.stop(place, millis(STOPPED)).await,
        }
        faults += 1;
        if faults == 5 {
            replicas.nodes.node(1).restart_empty().await;
        }
        tokio::time::sleep(millis([200, 2000])).await;
    }
    let last = replicas.history().last().expect("a run");
    let bound = SOON + Duration::from_secs(firings);
    replicas
        .until(bound, |history| history.last() > Some(last + 2))
        .await;
    replicas.kill_all();
    let history = replicas.history();
    (replicas, history, last)
}

/// What is wrong under all options.
fn wrong(history: &History) -> Vec<String> {
    [history.overlaps(), history.tokens(), history.repeated()].concat()
}

fn report(kind: &str, replicas: &Replicas, history: &History) -> String {
    let runs = history.runs.iter();
    let count = |is: fn(&&crate::history::Run) -> bool| runs.clone().filter(is).count();
    format!(
        "{kind}: {} firings, {} runs, {} of them again; {} replicas killed, in {} bodies; {} stopped; {} bodies without an end; \
         {} completions on record",
        history.firings().len(),
        history.runs.len(),
        count(|run| run.again),
        replicas.killed(),
        count(|run| run.killed),
        replicas.stopped,
        count(|run| !run.ended),
        history.recorded.len(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_rerun_each_firing_is_completed_and_none_that_is_on_record_runs_again() {
    let (replicas, history, last) = run(&["job", "rerun", "all"], firings()).await;
    println!("{}", report("rerun", &replicas, &history));
    let wrong = wrong(&history);
    assert!(wrong.is_empty(), "{wrong:#?}");
    let missed = history.not_run(last, true);
    assert!(missed.is_empty(), "not completed: {missed:?}");
    assert!(history.first() > Some(replicas.deployed), "too old");
    let again = history.runs.iter().filter(|run| run.again);
    assert!(again.count() > 0, "no firing was run again");
    assert_faults(&history);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_skip_each_firing_begins_once() {
    let (replicas, history, last) = run(&["job", "skip", "all"], firings()).await;
    let missed = history.not_run(last, false);
    println!(
        "{}; {} firings were on record as started, but no body began: {missed:?}",
        report("skip", &replicas, &history),
        missed.len()
    );
    let wrong = [wrong(&history), history.twice()].concat();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(history.first() > Some(replicas.deployed), "too old");
    // A replica may be killed or stopped after the start was written, and before the body began.
    let faults = replicas.killed() + replicas.stopped;
    assert!(missed.len() * 5 <= faults, "{missed:?}");
    assert_faults(&history);
}

/// The test of the test: faults met bodies.
fn assert_faults(history: &History) {
    let killed = history.runs.iter().filter(|run| run.killed).count();
    assert!(killed > 0, "no replica was killed in a body");
    let lost = history.runs.iter().filter(|run| !run.ended).count();
    assert!(lost > killed, "no replica was stopped in a body");
    assert!(history.recorded.len() > 10, "nothing is on record");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_record_firings_run_twice_and_without_the_lock_they_overlap() {
    let ((replicas, history, _), (bare, overlapping, _)) =
        tokio::join!(run(&["lock"], 10), run(&["nothing"], 5));
    println!("{}", report("no record", &replicas, &history));
    println!("{}", report("no lock", &bare, &overlapping));
    assert!(!history.twice().is_empty());
    assert!(!overlapping.twice().is_empty() && !overlapping.overlaps().is_empty());
}
