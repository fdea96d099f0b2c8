//! Bodies that take long, fail or panic, and what is recorded of them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use redlock::{
    Job, Redlock,
    job::{Backoff, Overlap, Run, RunState},
};

use super::{NAME, Ran, job, seconds};

async fn last(redlock: &Redlock) -> Run {
    let status = redlock.jobs().status(NAME).await.expect("three nodes");
    status.expect("it ran").last.expect("it ran")
}

/// Runs bodies that take `time` each, for a minute.
async fn long_runs(job: Job, time: Duration) -> (Ran, Ran) {
    let (ran, done) = (Ran::default(), Ran::default());
    let replica = job.spawn({
        let (ran, done) = (ran.clone(), done.clone());
        move |firing, _| {
            ran.push(firing);
            let done = done.clone();
            async move {
                tokio::time::sleep(time).await;
                done.push(firing);
            }
        }
    });
    tokio::time::sleep(seconds(100)).await;
    replica.stop().await.expect("no error");
    (ran, done)
}

fn gaps(ran: &Ran) -> Vec<u64> {
    let at = ran.seconds();
    at.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn firings_that_are_due_during_a_long_one_are_skipped() {
    let (_nodes, _redlock, job) = job().await;
    let (ran, done) = long_runs(job, seconds(25)).await;
    assert_eq!(ran.all(), done.all());
    assert!(
        gaps(&ran).iter().all(|gap| *gap == 30) && ran.all().len() >= 3,
        "{ran:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn firings_in_a_queue_run_after_a_long_one() {
    let (_nodes, _redlock, job) = job().await;
    let (ran, _) = long_runs(job.overlap(Overlap::Queue), seconds(25)).await;
    assert!(
        gaps(&ran).iter().all(|gap| [20, 30].contains(gap)) && gaps(&ran).contains(&20),
        "{ran:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_next_firing_cancels_a_running_one() {
    let (_nodes, redlock, job) = job().await;
    let (ran, done) = long_runs(job.overlap(Overlap::Cancel), seconds(25)).await;
    assert!(
        gaps(&ran).iter().all(|gap| *gap == 10) && ran.all().len() >= 8,
        "{ran:?}"
    );
    // The last one had time to end, because the replica stopped after it, or was cancelled by the next instant.
    assert!(done.all().len() <= 1, "{done:?}");
    assert_eq!(last(&redlock).await.state, RunState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_is_tried_again_within_its_firing() {
    let (_nodes, redlock, job) = job().await;
    let ran = Ran::default();
    let replica = job.retry(2, seconds(1)).spawn({
        let ran = ran.clone();
        move |firing, _| {
            ran.push(firing);
            async move {
                match firing.attempt() {
                    3 => Ok(()),
                    attempt => Err(format!("attempt {attempt}")),
                }
            }
        }
    });
    while ran.all().len() < 3 {
        tokio::time::sleep(seconds(1)).await;
    }
    replica.stop().await.expect("no error");
    assert_eq!(ran.seconds(), [0, 0, 0]);
    let last = last(&redlock).await;
    assert_eq!(
        (last.state, last.attempts, last.error),
        (RunState::Completed, 3, None)
    );
    assert!(last.ended > Some(last.started + seconds(1)) && last.started >= last.firing);
}

/// Seconds from each attempt of a failing body to the next one.
async fn pauses(backoff: impl Into<Backoff>) -> Vec<u64> {
    let (_nodes, _redlock, job) = job().await;
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let job = job.overlap(Overlap::Queue).retry(4, backoff);
    let replica = job.spawn({
        let attempts = Arc::clone(&attempts);
        move |_, _| {
            let at = tokio::time::Instant::now();
            attempts.lock().expect("no panic").push(at);
            async { Err::<(), _>("no route") }
        }
    });
    let begun = || attempts.lock().expect("no panic").clone();
    while begun().is_empty() {
        tokio::time::sleep(seconds(1)).await;
    }
    replica.stop().await.expect("no error");
    let between = |pair: &[tokio::time::Instant]| (pair[1] - pair[0]).as_secs();
    begun().windows(2).map(between).collect()
}

#[tokio::test(start_paused = true)]
async fn the_pauses_between_attempts_grow_if_that_was_asked_for() {
    let growing = Backoff::exponential(seconds(1), seconds(5));
    assert_eq!(pauses(growing).await, [1, 2, 4, 5]);
    assert_eq!(pauses(seconds(2)).await, [2; 4]);
}

/// The job with a body that ends in `failure`.
async fn failed<F, B>(job: Job, redlock: &Redlock, body: F) -> Run
where
    F: Fn() -> B + Send + Sync + 'static,
    B: Future<Output = Result<(), String>> + Send,
{
    let (ran, body) = (Ran::default(), Arc::new(body));
    let replica = job.spawn({
        let ran = ran.clone();
        move |firing, _| {
            ran.push(firing);
            let body = Arc::clone(&body);
            async move { body().await }
        }
    });
    while ran.all().len() < 2 {
        tokio::time::sleep(seconds(1)).await;
    }
    replica
        .stop()
        .await
        .expect("the job goes on after a failure");
    last(redlock).await
}

#[tokio::test(start_paused = true)]
async fn errors_panics_and_long_runs_are_failures() {
    let (_nodes, redlock, job) = job().await;
    let error = failed(job.clone(), &redlock, || async {
        Err("no\nroute".to_owned())
    })
    .await;
    assert_eq!(
        (error.state, error.error.as_deref()),
        (RunState::Failed, Some("no\\nroute"))
    );
    let panic = failed(job.clone(), &redlock, || async { panic!("out of ink") }).await;
    assert_eq!(panic.error.as_deref(), Some("panicked: out of ink"));
    let job = job.max_run(seconds(4));
    let long = failed(job, &redlock, || async { std::future::pending().await }).await;
    assert_eq!(long.error.as_deref(), Some("took longer than max_run, 4s"));
    assert_eq!(long.ended, Some(long.started + seconds(4)));
}

#[tokio::test(start_paused = true)]
async fn the_record_has_the_label_of_the_client() {
    let (nodes, redlock, _) = job().await;
    let builder = Redlock::builder().nodes(nodes.nodes()).label("api-7");
    let labelled = builder.connect().await.expect("all up");
    assert!(
        redlock
            .jobs()
            .status(NAME)
            .await
            .expect("three nodes")
            .is_none()
    );
    let job = labelled.job(NAME, super::EVERY);
    super::deploy(&job).await;
    let status = redlock
        .jobs()
        .status(NAME)
        .await
        .expect("three nodes")
        .expect("deployed");
    assert!(status.last.is_none() && status.next.is_some());
    super::run_for(&job, seconds(21), &Ran::default()).await;
    assert_eq!(last(&redlock).await.label.as_deref(), Some("api-7"));
}

/// What a body owns may panic when the body is dropped.
struct PanicsAtEnd;

impl Drop for PanicsAtEnd {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "the printer is on fire");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_survives_a_panic_of_a_body_that_is_dropped() {
    let (_nodes, redlock, job) = job().await;
    super::deploy(&job).await;
    let starts = Ran::default();
    let handle = job.max_run(seconds(4)).spawn({
        let starts = starts.clone();
        move |firing, _| {
            starts.push(firing);
            async {
                let _owned = PanicsAtEnd;
                std::future::pending::<()>().await;
            }
        }
    });
    tokio::time::sleep(seconds(35)).await;
    assert!(starts.all().len() >= 3, "{starts:?}");
    let run = last(&redlock).await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(
        run.error.as_deref(),
        Some("panicked: the printer is on fire")
    );
    handle.stop().await.expect("no error");
}
