//! Replicas, first deployments, and firings that no replica ran in time.

use redlock::job::{Firing, Missed, Overlap};

use super::{EVERY, NAME, Ran, client, deploy, job, run_for, seconds};

#[tokio::test(start_paused = true)]
async fn each_firing_runs_once_over_all_replicas() {
    let (nodes, redlock, job) = job().await;
    let ran = Ran::default();
    let mut replicas = Vec::new();
    for _ in 0..4 {
        let (job, ran) = (client(&nodes).await.job(NAME, EVERY), ran.clone());
        replicas.push(job.spawn(move |firing, held| {
            assert!(!held.is_lost() && firing.attempt() == 1 && !firing.is_rerun());
            ran.push(firing);
            async {}
        }));
    }
    run_for(&job, seconds(205), &ran).await;
    for replica in replicas {
        replica.stop().await.expect("no error");
    }
    let expected: Vec<u64> = (0..ran.all().len() as u64)
        .map(|number| number * 10)
        .collect();
    assert!(expected.len() >= 19, "{expected:?}");
    assert_eq!(ran.seconds(), expected);
    let status = redlock
        .jobs()
        .status(NAME)
        .await
        .expect("three nodes")
        .expect("it ran");
    assert_eq!(status.last_completed, ran.all().last().map(Firing::at));
    assert!(status.next > status.last_completed);
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_runs_nothing_that_was_due_before() {
    let (nodes, _, job) = job().await;
    let begun = super::epoch(nodes_time(&nodes).await);
    let ran = Ran::default();
    run_for(&job, seconds(31), &ran).await;
    let all = ran.all();
    assert!(!all.is_empty() && all.iter().all(|firing| super::epoch(firing.at()) > begun));
}

/// The clock of the nodes, as a job without a schedule of its own sees it.
async fn nodes_time(nodes: &redlock::memory::Nodes) -> std::time::SystemTime {
    let now = std::sync::Arc::new(std::sync::Mutex::new(None));
    let seen = std::sync::Arc::clone(&now);
    let schedule = move |after: std::time::SystemTime| {
        seen.lock().expect("no panic").get_or_insert(after);
        None
    };
    let job = client(nodes).await.job("clock", schedule);
    job.run(|_, _| async {}).await.expect_err("no firing");
    let now = now.lock().expect("no panic");
    now.expect("it was asked")
}

/// The firings of a replica that starts 45 s after the last one stopped, in seconds since the first.
async fn after_an_outage(missed: Missed, overlap: Overlap) -> (u64, Vec<u64>) {
    let (_nodes, _redlock, job) = job().await;
    let job = job
        .missed(missed)
        .overlap(overlap)
        .ttl(seconds(3))
        .catch_up(seconds(35));
    let ran = Ran::default();
    while ran.all().is_empty() {
        run_for(&job, seconds(1), &ran).await;
    }
    let before = ran.all().len();
    tokio::time::sleep(seconds(43)).await;
    run_for(&job, seconds(2), &ran).await;
    let missed = ran.seconds()[before..].to_vec();
    (before as u64, missed)
}

#[tokio::test(start_paused = true)]
async fn the_latest_missed_firing_runs_by_default() {
    let (before, missed) = after_an_outage(Missed::Once, Overlap::Skip).await;
    assert_eq!((before, missed), (1, vec![40]));
}

#[tokio::test(start_paused = true)]
async fn each_missed_firing_within_catch_up_runs() {
    for overlap in [Overlap::Skip, Overlap::Queue] {
        let (_, missed) = after_an_outage(Missed::All, overlap).await;
        assert_eq!(missed, [10, 20, 30, 40], "{overlap:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_missed_firing_runs_under_skip() {
    let (_, missed) = after_an_outage(Missed::Skip, Overlap::Skip).await;
    assert!(missed.is_empty(), "{missed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_catches_up_after_an_outage_of_the_nodes() {
    let (nodes, _redlock, job) = job().await;
    let ran = Ran::default();
    let replica = job.spawn({
        let ran = ran.clone();
        move |firing, _| {
            ran.push(firing);
            async {}
        }
    });
    tokio::time::sleep(seconds(25)).await;
    let before = ran.all().len();
    nodes.node(0).stop();
    nodes.node(1).stop();
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(ran.all().len(), before);
    nodes.node(0).start();
    nodes.node(1).start();
    tokio::time::sleep(seconds(30)).await;
    replica.stop().await.expect("no error");
    let after = ran.seconds().split_off(before);
    let latest_missed = after[0];
    assert!(latest_missed >= ran.seconds()[before - 1] + 60, "{after:?}");
    assert!(after.len() >= 3, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_a_majority_forgot_is_a_first_deployment() {
    let (nodes, _redlock, job) = job().await;
    deploy(&job).await;
    let ran = Ran::default();
    run_for(&job, seconds(21), &ran).await;
    let before = ran.all().len();
    nodes.node(0).restart_empty();
    nodes.node(1).restart_empty();
    // The nodes vote again after the guard time of locks.
    tokio::time::sleep(seconds(75)).await;
    run_for(&job, seconds(4), &ran).await;
    assert_eq!(ran.all().len(), before, "what was due may have run");
    run_for(&job, seconds(40), &ran).await;
    assert!(ran.all().len() >= before + 2);
}

/// One node has forgotten the record, and another one that has it does not answer for so many
/// seconds. Returns the first firing that runs then, in seconds since one that was due two minutes
/// before.
async fn while_a_node_is_silent(length: u64) -> u64 {
    let (nodes, redlock, _) = job().await;
    let job = redlock.job(NAME, seconds(60));
    let ran = Ran::default();
    while ran.all().is_empty() {
        run_for(&job, seconds(1), &ran).await;
    }
    nodes.node(0).restart_empty();
    // It votes again after the guard time of locks.
    tokio::time::sleep(seconds(120)).await;
    nodes.node(1).stop();
    let replica = job.spawn({
        let ran = ran.clone();
        move |firing, _| {
            ran.push(firing);
            async {}
        }
    });
    tokio::time::sleep(seconds(length)).await;
    nodes.node(1).start();
    tokio::time::sleep(seconds(20)).await;
    replica.stop().await.expect("no error");
    ran.seconds()[1]
}

#[tokio::test(start_paused = true)]
async fn a_due_firing_waits_for_a_silent_node_that_has_the_record() {
    assert_eq!(while_a_node_is_silent(5).await, 120);
}

#[tokio::test(start_paused = true)]
async fn a_record_on_a_silent_node_counts_as_lost_before_the_next_firing() {
    assert_eq!(while_a_node_is_silent(100).await, 180);
}
