//! `fire` with `on_crash` and `catch_up`: a firing whose replica crashed runs again, one that has ended or that is too old does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use redlock::{Redlock, Result, redlock};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::app_error::AppError;
use tests::{World, eventually};

const BOUND: Duration = Duration::from_secs(60);

/// A body that waits until the test lets it finish, and counts itself.
#[derive(Clone, Debug, Default)]
struct Work {
    begun: Arc<AtomicU32>,
    ended: Arc<AtomicU32>,
    finish: Arc<Notify>,
}

impl Work {
    async fn run(&self) {
        self.begun.fetch_add(1, SeqCst);
        self.finish.notified().await;
        self.ended.fetch_add(1, SeqCst);
    }

    async fn has_begun(&self, times: u32) {
        eventually(BOUND, async || self.begun.load(SeqCst) == times).await;
    }

    fn counts(&self) -> (u32, u32) {
        (self.begun.load(SeqCst), self.ended.load(SeqCst))
    }
}

#[redlock(key = "report", ttl = "1s", lock = locks, fire = at, on_crash = rerun, on_busy = skip)]
async fn report(locks: Redlock, at: u64, work: Work) -> Option<()> {
    work.run().await;
    Some(())
}

#[redlock(key = "fails", ttl = "1s", lock = locks, fire = at, on_crash = rerun)]
async fn fails(locks: Redlock, at: u64, work: Work) -> Result<(), AppError> {
    work.run().await;
    Err(AppError::Own("on purpose"))
}

#[redlock(key = "panics", ttl = "1s", lock = locks, fire = at, on_crash = rerun, on_busy = skip)]
async fn panics(locks: Redlock, at: u64, work: Work) -> Option<()> {
    work.run().await;
    panic!("on purpose: {at}")
}

#[redlock(key = "late", ttl = "1s", lock = locks, fire = at, catch_up = "1h", on_busy = skip)]
async fn late(locks: &Redlock, at: SystemTime) -> Option<()> {
    Some(())
}

#[redlock(key = "strict", ttl = "1s", lock = locks, fire = at, catch_up = "1h", on_crash = rerun)]
async fn late_as_an_error(locks: &Redlock, at: SystemTime) -> Result<()> {
    Ok(())
}

/// A replica that runs the firing, and another one that waits for it.
async fn two(world: &World, work: &Work) -> (JoinHandle<Option<()>>, JoinHandle<Option<()>>) {
    let first = tokio::spawn(report(world.locks.clone(), 1, work.clone()));
    work.has_begun(1).await;
    let second = tokio::spawn(report(world.elsewhere.clone(), 1, work.clone()));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(work.counts(), (1, 0));
    (first, second)
}

#[tokio::test(start_paused = true)]
async fn a_firing_whose_replica_crashed_runs_again() {
    let (world, work) = (World::new().await, Work::default());
    let (first, second) = two(&world, &work).await;
    first.abort();
    work.has_begun(2).await;
    work.finish.notify_one();
    assert_eq!(second.await.unwrap(), Some(()));
    assert_eq!(work.counts(), (2, 1));
    assert_eq!(report(world.locks.clone(), 1, work.clone()).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_firing_whose_lock_was_lost_runs_again() {
    let (world, work) = (World::new().await, Work::default());
    let (first, second) = two(&world, &work).await;
    world.locks.force_release("report:1").await.unwrap();
    work.has_begun(2).await;
    assert_eq!(first.await.unwrap(), None);
    work.finish.notify_one();
    assert_eq!(second.await.unwrap(), Some(()));
    assert_eq!(work.counts(), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_firing_that_has_ended_does_not_run_again_however_long_it_took() {
    let (world, work) = (World::new().await, Work::default());
    let (first, second) = two(&world, &work).await;
    // Nearly as long as others wait, and longer than a firing is remembered from its start.
    tokio::time::sleep(Duration::from_secs(590)).await;
    assert!(!second.is_finished());
    work.finish.notify_one();
    assert_eq!(first.await.unwrap(), Some(()));
    assert_eq!(second.await.unwrap(), None);
    tokio::time::sleep(Duration::from_secs(590)).await;
    assert_eq!(report(world.elsewhere.clone(), 1, work.clone()).await, None);
    assert_eq!(work.counts(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_firing_that_failed_or_panicked_does_not_run_again() {
    let (world, work) = (World::new().await, Work::default());
    let first = tokio::spawn(fails(world.locks.clone(), 1, work.clone()));
    work.has_begun(1).await;
    let second = tokio::spawn(fails(world.elsewhere.clone(), 1, work.clone()));
    tokio::time::sleep(Duration::from_secs(3)).await;
    work.finish.notify_one();
    let failed = first.await.unwrap();
    assert!(matches!(failed, Err(AppError::Own(_))), "{failed:?}");
    assert!(second.await.unwrap().unwrap_err().lock().is_busy());

    let first = tokio::spawn(panics(world.locks.clone(), 1, work.clone()));
    work.has_begun(2).await;
    let second = tokio::spawn(panics(world.elsewhere.clone(), 1, work.clone()));
    tokio::time::sleep(Duration::from_secs(3)).await;
    work.finish.notify_one();
    assert!(first.await.unwrap_err().is_panic());
    assert_eq!(second.await.unwrap(), None);
    assert_eq!(work.counts(), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_firing_older_than_catch_up_is_skipped_and_a_younger_one_is_remembered() {
    let world = World::new().await;
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let now = SystemTime::now();
    assert_eq!(late(&world.locks, now - minutes(61)).await, None);
    assert_eq!(late(&world.locks, now - minutes(10)).await, Some(()));
    assert_eq!(late(&world.locks, now).await, Some(()));
    tokio::time::sleep(minutes(49)).await;
    assert_eq!(late(&world.elsewhere, now).await, None, "it ran");
    let young = now + minutes(40);
    assert_eq!(late(&world.elsewhere, young).await, Some(()));

    let old = late_as_an_error(&world.locks, now - minutes(61)).await;
    let old = old.unwrap_err();
    assert!(old.is_timed_out(), "{old}");
    let text = old.to_string();
    for part in ["`strict:", "old, so it is not run", "`catch_up` is 3600s"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
