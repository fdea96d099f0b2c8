//! A job that fires once in ten years: its record is written again while nothing fires, or it would expire.

use redlock::{
    Redlock,
    job::{Firing, JobStatus},
};

use super::{NAME, job, seconds};

const DAY: u64 = 86_400;

async fn status(redlock: &Redlock) -> Option<JobStatus> {
    redlock.jobs().status(NAME).await.expect("three nodes")
}

/// Lets days pass at once, and then the time in which a replica looks at the clock.
async fn days(days: u64) {
    tokio::time::advance(seconds(days * DAY)).await;
    tokio::time::sleep(seconds(60)).await;
}

#[tokio::test(start_paused = true)]
async fn the_record_of_a_rare_job_outlives_its_retention_while_a_replica_runs() {
    let (_nodes, redlock, _) = job().await;
    let rare = redlock.job(NAME, seconds(3_650 * DAY));
    let replica = rare.spawn(|_, _| async {});
    tokio::time::sleep(seconds(1)).await;
    let deployed = status(&redlock).await.expect("a record");
    // It is kept for 28 days, and an hour of `catch_up`.
    for _ in 0..10 {
        days(4).await;
    }
    assert_eq!(status(&redlock).await, Some(deployed));
    replica.stop().await.expect("no error");
    days(24).await;
    assert!(
        status(&redlock).await.is_some(),
        "written within the last four days"
    );
    days(6).await;
    assert_eq!(status(&redlock).await, None);
}

/// All replicas were down at its only firing.
#[tokio::test(start_paused = true)]
async fn the_last_firing_of_a_schedule_is_caught_up_with() {
    let (_nodes, redlock, clock) = job().await;
    let ticks = super::Ran::default();
    super::run_for(&clock, seconds(31), &ticks).await;
    let now = ticks.all().last().expect("a firing").at();
    let at = now + seconds(3_600);
    let once = move |after| Some(at).filter(|at| *at > after);
    let job = redlock.job("once", once).catch_up(seconds(7_200));
    super::deploy(&job).await;
    tokio::time::sleep(seconds(2 * 3_600)).await;
    let ran = super::Ran::default();
    super::run_for(&job, seconds(5), &ran).await;
    let all = ran.all();
    assert_eq!(all.iter().map(Firing::at).collect::<Vec<_>>(), [at]);
    tokio::time::sleep(seconds(2 * 3_600)).await;
    let error = job.run(|_, _| async {}).await.expect_err("nothing is left");
    assert!(error.is_invalid(), "{error}");
}
