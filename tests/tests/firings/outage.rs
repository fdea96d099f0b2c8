//! All replicas are killed, and started again after some firings.

use std::time::Duration;

use tokio::time::sleep;

use crate::{SOON, history::History, replicas::Replicas};

/// More than three firings are due meanwhile, also by a clock that is 2 s behind that of the last replica before it.
const OUTAGE: Duration = Duration::from_secs(7);

/// Returns what ran, the last firing before the outage and the first one after it.
async fn outage(kind: &'static [&'static str]) -> (History, u64, u64) {
    let mut replicas = Replicas::start(kind).await;
    let recorded = |count: usize| move |history: &History| history.recorded.len() >= count;
    replicas.until(SOON, recorded(3)).await;
    replicas.kill_all();
    let before = replicas.history();
    let (runs, last) = (before.runs.len(), before.last().expect("a run"));
    sleep(OUTAGE).await;
    replicas.start_all();
    replicas
        .until(SOON, recorded(before.recorded.len() + 8))
        .await;
    replicas.kill_all();
    let history = replicas.history();
    let first = history.runs[runs].firing;
    println!("{kind:?}: {last} was the last one before the outage, {first} the first one after it");
    let wrong = [history.overlaps(), history.tokens(), history.repeated()].concat();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(history.first() > Some(replicas.deployed), "too old");
    (history, last, first)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn firings_without_a_replica_each_run_once() {
    let (history, last, first) = outage(&["job", "skip", "all"]).await;
    assert_eq!(first, last + 1, "the oldest one first");
    assert_eq!(history.twice(), Vec::<String>::new());
    assert_eq!(history.not_run(last + 6, false), Vec::<u64>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn firings_without_a_replica_collapse_to_the_latest() {
    let (history, last, first) = outage(&["job", "skip", "once"]).await;
    assert!(first > last + 3, "{last} to {first}");
    let left_out: Vec<u64> = (last + 1..first).collect();
    assert_eq!(history.not_run(first, false), left_out);
    assert_eq!(history.twice(), Vec::<String>::new());
}
