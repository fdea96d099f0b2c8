//! Replicas that crash or lose the lock while a firing runs.

use std::time::Duration;

use redlock::{
    Job, Redlock,
    job::{Missed, OnCrash, RunState},
};

use super::{NAME, Ran, job, run_for, seconds};

/// Runs the job until a body hangs, and drops it there.
async fn crash(job: &Job) -> Ran {
    let ran = Ran::default();
    let body = {
        let ran = ran.clone();
        move |firing, _| {
            ran.push(firing);
            std::future::pending::<()>()
        }
    };
    let replica = tokio::spawn(job.clone().run(body));
    while ran.all().is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    replica.abort();
    assert!(replica.await.is_err_and(|error| error.is_cancelled()));
    ran
}

async fn state(redlock: &Redlock) -> Option<RunState> {
    let status = redlock.jobs().status(NAME).await.expect("three nodes");
    status.expect("it ran").last.map(|last| last.state)
}

#[tokio::test(start_paused = true)]
async fn a_crashed_firing_runs_again_until_it_is_completed() {
    let (_nodes, redlock, job) = job().await;
    let crashed = crash(&job).await.all();
    assert_eq!(
        state(&redlock).await,
        Some(RunState::Running),
        "nobody knows yet"
    );
    let ran = Ran::default();
    run_for(&job, seconds(1), &ran).await;
    run_for(&job, seconds(1), &ran).await;
    let all = ran.all();
    assert_eq!(all.len(), 1);
    assert!(all[0].is_rerun() && all[0].at() == crashed[0].at());
    assert_eq!(state(&redlock).await, Some(RunState::Completed));
}

#[tokio::test(start_paused = true)]
async fn under_skip_a_crashed_firing_is_recorded_and_never_runs_again() {
    let (_nodes, redlock, job) = job().await;
    let job = job.on_crash(OnCrash::Skip);
    crash(&job).await;
    let ran = Ran::default();
    run_for(&job, seconds(1), &ran).await;
    assert!(ran.all().is_empty());
    assert_eq!(state(&redlock).await, Some(RunState::Crashed));
    run_for(&job, seconds(20), &ran).await;
    assert!(ran.all().iter().all(|firing| !firing.is_rerun()) && !ran.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_newer_firing_replaces_a_crashed_one_unless_all_are_to_run() {
    for (missed, again) in [(Missed::Once, false), (Missed::All, true)] {
        let (_nodes, _redlock, job) = job().await;
        let job = job.missed(missed);
        let crashed = crash(&job).await.all();
        tokio::time::sleep(seconds(11)).await;
        let ran = Ran::default();
        run_for(&job, seconds(1), &ran).await;
        assert_eq!(ran.all()[0].is_rerun(), again, "{missed:?}");
        assert_eq!(ran.all()[0].at() == crashed[0].at(), again, "{missed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_lock_drops_the_body_and_the_firing_runs_again() {
    let (_nodes, redlock, job) = job().await;
    let (ran, done) = (Ran::default(), Ran::default());
    let replica = job.spawn({
        let (ran, done) = (ran.clone(), done.clone());
        move |firing, _| {
            ran.push(firing);
            let (first, done) = (ran.all().len() == 1, done.clone());
            async move {
                if first {
                    std::future::pending::<()>().await;
                }
                done.push(firing);
            }
        }
    });
    while ran.all().is_empty() {
        tokio::time::sleep(seconds(1)).await;
    }
    redlock
        .force_release(format!("job:{NAME}"))
        .await
        .expect("three nodes");
    tokio::time::sleep(seconds(1)).await;
    replica.stop().await.expect("no error");
    let all = ran.all();
    assert_eq!((all.len(), done.all().len()), (2, 1));
    assert!(all[1].is_rerun() && all[1].at() == all[0].at());
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_not_confirmed_runs_nothing() {
    let (nodes, _redlock, job) = job().await;
    super::deploy(&job).await;
    let ran = Ran::default();
    let replica = job.spawn({
        let (nodes, ran) = (nodes.clone(), ran.clone());
        move |firing, _| {
            // No quorum confirms the end of this firing and the start of the next one.
            if ran.all().is_empty() {
                nodes.node(0).stop();
                nodes.node(1).stop();
            }
            ran.push(firing);
            async {}
        }
    });
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(ran.all().len(), 1);
    nodes.node(0).start();
    nodes.node(1).start();
    tokio::time::sleep(seconds(30)).await;
    replica.stop().await.expect("no error");
    assert!(ran.all().len() > 2);
}
