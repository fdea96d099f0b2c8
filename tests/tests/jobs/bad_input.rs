//! Invalid options, schedules and names: reported at once, by name.

use std::time::{Duration, SystemTime};

use redlock::{
    Error, Job,
    job::{Backoff, Schedule},
};

use super::{NAME, job, seconds};

async fn refused(job: Job) -> Error {
    let error = job.run(|_, _| async {}).await.expect_err("refused");
    assert!(error.is_invalid(), "{error}");
    error
}

#[tokio::test(start_paused = true)]
async fn invalid_options_are_named() {
    let (_nodes, redlock, job) = job().await;
    let never = redlock.job(NAME, |_: SystemTime| None);
    assert!(
        refused(never)
            .await
            .to_string()
            .contains("`report` has no firing in the future")
    );
    let zero = redlock.job(NAME, Duration::ZERO);
    assert!(
        refused(zero)
            .await
            .to_string()
            .contains("no firing in the future")
    );
    let stuck = redlock.job(NAME, Some::<SystemTime>);
    assert!(
        refused(stuck)
            .await
            .to_string()
            .contains("return a later one")
    );
    let beyond = refused(job.clone().catch_up(seconds(181 * 86_400)))
        .await
        .to_string();
    assert!(
        beyond.contains("catch_up") && beyond.contains("the most is 180 days"),
        "{beyond}"
    );
    let ttl = refused(job.clone().ttl(seconds(61))).await.to_string();
    assert!(ttl.contains("max_ttl"), "{ttl}");
    assert!(
        refused(job.clone().max_run(Duration::ZERO))
            .await
            .to_string()
            .contains("max_run")
    );
    assert!(
        refused(job.clone().retry(1, Duration::MAX))
            .await
            .to_string()
            .contains("`retry`")
    );
    let endless = Backoff::exponential(seconds(1), Duration::MAX);
    let endless = refused(job.retry(1, endless)).await.to_string();
    assert!(endless.contains("`retry`"), "{endless}");
    assert!(refused(redlock.job("{}", seconds(1))).await.key().is_some());
    assert!(
        redlock
            .jobs()
            .status("{}")
            .await
            .expect_err("no key")
            .is_invalid()
    );
}

#[tokio::test(start_paused = true)]
async fn a_foreign_record_is_refused_and_kept() {
    let (_nodes, redlock, job) = job().await;
    let guard = redlock.lock("job:report").await.expect("a lock");
    guard.write("something else").await.expect("three nodes");
    guard.release().await.expect("three nodes");
    assert!(
        refused(job)
            .await
            .to_string()
            .contains("the record of the job `report`")
    );
    assert!(
        redlock
            .jobs()
            .status(NAME)
            .await
            .expect_err("no record")
            .is_invalid()
    );
    let value = redlock.read("job:report").await.expect("three nodes");
    assert_eq!(value.as_deref(), Some(&b"something else"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_ends_the_job() {
    let (_nodes, redlock, job) = job().await;
    let handle = job.spawn(|_, _| async {});
    redlock.close().await;
    tokio::time::sleep(seconds(15)).await;
    assert!(handle.is_finished());
    assert!(handle.stop().await.expect_err("closed").is_closed());
}

#[test]
fn a_schedule_can_be_boxed_by_a_closure() {
    let inner: Box<dyn Schedule> = Box::new(seconds(10));
    let outer = move |after| inner.next(after);
    let at = SystemTime::UNIX_EPOCH + seconds(15);
    assert_eq!(
        Schedule::next(&outer, at),
        Some(SystemTime::UNIX_EPOCH + seconds(20))
    );
}
