//! The handle of a job: pause, resume, trigger, stop.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::SystemTime,
};

use redlock::job::{Firing, Schedule};

use super::{Ran, job, seconds};

fn recording(ran: &Ran) -> impl FnMut(Firing, redlock::Held) -> std::future::Ready<()> + use<> {
    let ran = ran.clone();
    move |firing, _| {
        ran.push(firing);
        std::future::ready(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_job_runs_nothing_and_catches_up_when_it_is_resumed() {
    let (_nodes, _redlock, job) = job().await;
    let ran = Ran::default();
    let handle = job.spawn(recording(&ran));
    tokio::time::sleep(seconds(21)).await;
    handle.pause();
    let before = ran.all().len();
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(ran.all().len(), before);
    handle.resume();
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(ran.all().len(), before + 1, "the latest one");
    handle.stop().await.expect("no error");
}

#[tokio::test(start_paused = true)]
async fn a_paused_job_ends_with_its_client() {
    let (_nodes, redlock, job) = job().await;
    let handle = job.spawn(recording(&Ran::default()));
    handle.pause();
    tokio::time::sleep(seconds(21)).await;
    redlock.close().await;
    tokio::time::sleep(seconds(1)).await;
    assert!(handle.is_finished());
    let error = handle.stop().await.expect_err("the client was closed");
    assert!(error.is_closed(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_triggered_run_comes_at_once_and_changes_no_firing() {
    let (_nodes, _redlock, job) = job().await;
    super::deploy(&job).await;
    let ran = Ran::default();
    let handle = job.spawn(recording(&ran));
    tokio::time::sleep(seconds(21)).await;
    let before = ran.all().len();
    handle.trigger();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(ran.all().len(), before + 1);
    tokio::time::sleep(seconds(20)).await;
    handle.stop().await.expect("no error");
    let after = &ran.all()[before + 1..];
    assert_eq!(after.len(), 2, "the two that were due");
    assert!(
        after
            .iter()
            .all(|firing| super::epoch(firing.at()).is_multiple_of(10))
    );
}

#[tokio::test(start_paused = true)]
async fn stop_waits_for_the_body() {
    let (_nodes, redlock, job) = job().await;
    let (ran, done) = (Ran::default(), Ran::default());
    let handle = job.spawn({
        let (ran, done) = (ran.clone(), done.clone());
        move |firing, _| {
            ran.push(firing);
            let done = done.clone();
            async move {
                tokio::time::sleep(seconds(5)).await;
                done.push(firing);
            }
        }
    });
    while ran.all().is_empty() {
        tokio::time::sleep(seconds(1)).await;
    }
    assert!(done.all().is_empty());
    handle.stop().await.expect("no error");
    assert_eq!(done.all(), ran.all());
    let status = redlock
        .jobs()
        .status(super::NAME)
        .await
        .expect("three nodes");
    assert_eq!(
        status.expect("it ran").last_completed,
        done.all().last().map(Firing::at)
    );
    assert!(!redlock.is_locked("job:report").await.expect("three nodes"));
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_ends_ends_the_job() {
    let (_nodes, redlock, _) = job().await;
    let begun = tokio::time::Instant::now();
    let first = std::sync::OnceLock::new();
    let twice = move |after: SystemTime| {
        let first = *first.get_or_init(|| after + seconds(20));
        let all = [first, first + seconds(10)];
        all.into_iter().find(|at| *at > after)
    };
    let ran = Ran::default();
    redlock
        .job("twice", twice)
        .run(recording(&ran))
        .await
        .expect("it ended");
    assert_eq!(ran.seconds(), [0, 10]);
    assert!(begun.elapsed() >= seconds(30));
}

/// The nodes are full when the start of the firing is to be written.
#[tokio::test(start_paused = true)]
async fn a_triggered_run_that_could_not_begin_comes_later() {
    let (nodes, redlock, _) = job().await;
    let armed = Arc::new(AtomicBool::new(false));
    let latest = Arc::new(Mutex::new(SystemTime::UNIX_EPOCH));
    let schedule = {
        let (armed, nodes) = (Arc::clone(&armed), nodes.nodes());
        move |after: SystemTime| {
            let mut latest = latest.lock().expect("no panic");
            // The last question before the start is written is about the instant of the request.
            if after > *latest + seconds(1) && armed.swap(false, SeqCst) {
                nodes.iter().for_each(|node| node.fill(true));
            }
            *latest = after.max(*latest);
            Schedule::next(&seconds(3_600), after)
        }
    };
    let ran = Ran::default();
    let handle = redlock.job("export", schedule).spawn(recording(&ran));
    tokio::time::sleep(seconds(15)).await;
    let before = ran.all().len();
    armed.store(true, SeqCst);
    handle.trigger();
    tokio::time::sleep(seconds(5)).await;
    assert!(!armed.load(SeqCst), "the nodes are full");
    assert_eq!(ran.all().len(), before, "its start is not recorded");
    nodes.nodes().iter().for_each(|node| node.fill(false));
    tokio::time::sleep(seconds(20)).await;
    assert_eq!(ran.all().len(), before + 1);
    handle.stop().await.expect("no error");
}
