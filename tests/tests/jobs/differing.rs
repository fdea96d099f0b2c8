//! Replicas that run a job with other options or another schedule: both continue, and a warning names both.

use std::time::Duration;

use redlock::{Job, job::Missed};
use tests::Logs;
use tracing::level_filters::LevelFilter;

use super::{EVERY, NAME, Ran, client, deploy, job, run_for, seconds};

const WARNING: &str = "another replica runs a job";

/// The warnings of a replica that runs `second` after another has run `first`.
async fn warnings(first: Job, second: Job) -> Vec<String> {
    deploy(&first).await;
    let logs = Logs::capture(LevelFilter::INFO);
    let ran = Ran::default();
    run_for(&second, seconds(31), &ran).await;
    assert!(!ran.all().is_empty(), "it runs all the same");
    logs.lines_with(WARNING)
}

#[tokio::test(start_paused = true)]
async fn other_options_of_a_replica_are_named_once() {
    let (nodes, _redlock, job) = job().await;
    let there = client(&nodes).await.job(NAME, EVERY).missed(Missed::All);
    let warnings = warnings(job, there).await;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let (ours, theirs) = (
        warnings[0].find("missed All"),
        warnings[0].find("missed Once"),
    );
    assert!(ours.is_some() && theirs > ours, "{warnings:?}");
    assert!(
        !warnings[0].contains(NAME),
        "no key in a warning: {warnings:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn another_schedule_of_a_replica_is_noticed() {
    let (nodes, _redlock, job) = job().await;
    let there = client(&nodes).await.job(NAME, Duration::from_millis(9_900));
    let warnings = warnings(job, there).await;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(
        warnings[0].matches("next firing").count(),
        2,
        "{warnings:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn replicas_that_agree_are_not_warned_about() {
    let (nodes, _redlock, job) = job().await;
    let there = client(&nodes).await.job(NAME, EVERY);
    assert_eq!(warnings(job, there).await, [""; 0]);
}
