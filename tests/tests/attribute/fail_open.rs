//! `fail_open`: the body runs without the lock where no quorum answers, and only there.

use redlock::{Redlock, Result, redlock};
use tests::Logs;
use tracing::level_filters::LevelFilter;

use tests::World;

#[redlock(key = "page", ttl = "10s", wait = "300ms", lock = locks, fail_open, guard = held)]
async fn page(locks: &Redlock) -> Result<bool> {
    Ok(held.is_some())
}

#[redlock(key = "page", ttl = "10s", wait = "300ms", lock = locks)]
async fn closed(locks: &Redlock) -> Result<()> {
    unreachable!("ran without its lock")
}

#[redlock(key = name, ttl = "10s", lock = locks, fail_open = true, on_busy = skip)]
async fn misnamed(locks: &Redlock, name: &str) -> Result<()> {
    unreachable!("{name}: a mistake is no outage")
}

#[tokio::test]
async fn runs_without_a_quorum_and_reports_it() {
    let logs = Logs::capture(LevelFilter::WARN);
    let world = World::new().await;
    assert!(page(&world.locks).await.unwrap());

    world.lose_quorum();
    assert!(!page(&world.locks).await.unwrap());
    assert_eq!(logs.lines_with("running without the lock").len(), 1);
    let error = closed(&world.locks).await.unwrap_err();
    assert!(error.is_no_quorum(), "{error}");
}

#[tokio::test]
async fn does_not_run_for_a_held_lock_or_a_mistake() {
    let world = World::new().await;
    let _held = world.busy("page").await;
    let error = page(&world.locks).await.unwrap_err();
    assert!(error.is_timed_out(), "{error}");
    assert!(
        misnamed(&world.locks, "page{")
            .await
            .unwrap_err()
            .is_invalid()
    );
}
