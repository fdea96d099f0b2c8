//! How many firings were missed or skipped, as the status of a job says.

use redlock::{
    Job, Redlock,
    job::{Missed, Overlap},
};

use super::{NAME, Ran, deploy, job, run_for, seconds};

/// What is on record: how many firings were missed, and how many skipped.
async fn counts(redlock: &Redlock) -> (u64, u64) {
    let status = redlock.jobs().status(NAME).await.expect("three nodes");
    let status = status.expect("a record");
    (status.missed, status.skipped)
}

/// Runs one firing, and then no replica until four more are due, the last one 3 s ago.
async fn outage(job: &Job) {
    let ran = Ran::default();
    while ran.all().is_empty() {
        run_for(job, seconds(1), &ran).await;
    }
    tokio::time::sleep(seconds(43)).await;
}

async fn after_an_outage(catch_up: u64, missed: Missed) -> (Vec<u64>, u64) {
    let (_nodes, redlock, job) = job().await;
    let job = job.missed(missed).overlap(Overlap::Queue);
    let job = job.ttl(seconds(2)).catch_up(seconds(catch_up));
    outage(&job).await;
    assert_eq!(counts(&redlock).await, (0, 0), "nobody has looked yet");
    let ran = Ran::default();
    run_for(&job, seconds(2), &ran).await;
    let (missed, skipped) = counts(&redlock).await;
    assert_eq!(skipped, 0);
    (ran.seconds(), missed)
}

#[tokio::test(start_paused = true)]
async fn firings_that_a_later_one_replaces_are_missed() {
    let (ran, missed) = after_an_outage(60, Missed::Once).await;
    assert_eq!((ran.len(), missed), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn firings_beyond_catch_up_are_missed() {
    let (ran, missed) = after_an_outage(60, Missed::All).await;
    assert_eq!((ran.len(), missed), (4, 0));
    let (ran, missed) = after_an_outage(25, Missed::All).await;
    assert_eq!((ran.len(), missed), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn firings_that_nobody_runs_are_counted_before_the_next_one_and_once() {
    let (_nodes, redlock, job) = job().await;
    let job = job.missed(Missed::Skip).ttl(seconds(2));
    outage(&job).await;
    let ran = Ran::default();
    run_for(&job, seconds(2), &ran).await;
    assert_eq!((ran.all().len(), counts(&redlock).await), (0, (4, 0)));
    run_for(&job, seconds(11), &ran).await;
    assert!(!ran.all().is_empty());
    assert_eq!(counts(&redlock).await, (4, 0));
}

#[tokio::test(start_paused = true)]
async fn firings_that_are_due_during_a_run_are_skipped_and_not_missed() {
    let (_nodes, redlock, job) = job().await;
    let ran = Ran::default();
    let replica = job.spawn({
        let ran = ran.clone();
        move |firing, _| {
            ran.push(firing);
            tokio::time::sleep(seconds(25))
        }
    });
    while ran.all().is_empty() {
        tokio::time::sleep(seconds(1)).await;
    }
    replica.stop().await.expect("no error");
    assert_eq!(counts(&redlock).await, (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_has_missed_nothing() {
    let (_nodes, redlock, job) = job().await;
    deploy(&job).await;
    assert_eq!(counts(&redlock).await, (0, 0));
    // Nothing on record is changed by a replica that finds nothing to do.
    run_for(&job, seconds(21), &Ran::default()).await;
    assert_eq!(counts(&redlock).await, (0, 0));
}
