//! Jobs with schedules that panic and records that nobody can have written.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use futures_util::FutureExt as _;
use redlock::{Redlock, memory::Nodes};
use tokio::time::sleep;

use crate::{MINUTE, SOON};

const SECOND: Duration = Duration::from_secs(1);

async fn client() -> (Nodes, Redlock) {
    let nodes = Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    redlock.trust_nodes().await.expect("three nodes");
    (nodes, redlock)
}

/// Whoever stops the job learns of the panic, and the lock is free.
#[tokio::test(start_paused = true)]
async fn a_panic_of_the_schedule_is_not_swallowed_and_keeps_no_lock() {
    let (nodes, redlock) = client().await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let schedule = move |after: SystemTime| {
        assert!(counted.fetch_add(1, SeqCst) < 6, "no calendar");
        redlock::job::Schedule::next(&SECOND, after)
    };
    let job = redlock.job("report", schedule).spawn(|_, _| async {});
    sleep(MINUTE).await;
    assert!(job.is_finished(), "{calls:?}");
    let stopped = AssertUnwindSafe(job.stop()).catch_unwind().await;
    stopped.expect_err("the panic of the schedule");
    redlock::testing::assert_released_within(&nodes, "job:report", SOON).await;
}

/// Each is read without a panic of ours, and the job goes on or says why not.
#[tokio::test(start_paused = true)]
async fn no_record_makes_a_job_panic() {
    let max = u64::MAX;
    let numbers = [0, 1, max / 2, max - 1, max].map(|number| number.to_string());
    for (number, state) in numbers
        .iter()
        .zip(["running", "completed", "failed", "running", "x"])
    {
        let (_nodes, redlock) = client().await;
        let record = format!(
            "redlock job 1\nspent {number}\nwritten {number}\nnext {number}\ncompleted {number}\nsettings x\nfiring {number}\n\
             started {number}\nstate {state}\nattempts 99999999999\nended {number}\n"
        );
        let guard = redlock.lock("job:report").await.expect("free");
        guard.write(record).await.expect("three nodes");
        guard.release().await.expect("three nodes");
        let status = redlock.jobs().status("report").await;
        status.expect("a record");
        let cron: croner::Cron = "*/10 * * * * *".parse().expect("a pattern");
        for job in [redlock.job("report", SECOND), redlock.job("report", cron)] {
            let job = job.spawn(|_, _| async {});
            sleep(SECOND * 5).await;
            let stopped = AssertUnwindSafe(job.stop()).catch_unwind().await;
            let _outcome = stopped.expect("no panic");
        }
    }
}

/// A body whose error cannot be displayed, or that panics before its first await, is a failed run.
#[tokio::test(start_paused = true)]
async fn panics_around_the_body_are_failures_of_its_run() {
    struct Undisplayable;
    impl std::fmt::Display for Undisplayable {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("no words")
        }
    }
    let (_nodes, redlock) = client().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let job = redlock.job("report", SECOND).spawn(move |_, _| {
        assert!(
            counted.fetch_add(1, SeqCst).is_multiple_of(2),
            "before the future"
        );
        async { Err::<(), _>(Undisplayable) }
    });
    sleep(MINUTE).await;
    job.stop().await.expect("it goes on");
    assert!(runs.load(SeqCst) > 5, "{runs:?}");
    let status = redlock.jobs().status("report").await.expect("three nodes");
    let error = status
        .and_then(|status| status.last?.error)
        .expect("a failure");
    assert!(error.starts_with("panicked: "), "{error}");
}
