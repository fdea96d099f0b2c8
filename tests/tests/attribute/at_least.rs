//! `at_least`: a fast body does not free the key for a clock that is late.

use std::time::Duration;

use redlock::{Redlock, Result, redlock};
use tokio::time::Instant;

use tests::World;

const LENGTH: Duration = Duration::from_millis(600);

#[redlock(key = "nightly", ttl = "10s", lock = locks, at_least = "600ms", no_wait)]
async fn nightly(locks: &Redlock) -> Result<()> {
    Ok(())
}

#[redlock(key = "nightly", ttl = "10s", lock = locks, at_least = LENGTH, no_wait)]
async fn slow(locks: &Redlock) -> Result<()> {
    tokio::time::sleep(LENGTH + Duration::from_millis(100)).await;
    Ok(())
}

#[tokio::test]
async fn busy_for_that_long_then_free() {
    let world = World::new().await;
    let start = Instant::now();
    nightly(&world.locks).await.unwrap();
    assert!(start.elapsed() < LENGTH, "the caller does not wait for it");
    for locks in [&world.elsewhere, &world.locks] {
        let error = nightly(locks).await.unwrap_err();
        assert!(error.is_busy(), "{error}");
        assert!(error.retry_after().is_some_and(|rest| rest <= LENGTH));
    }
    world.free("nightly").await;
    assert!(start.elapsed() >= LENGTH);
    nightly(&world.elsewhere).await.unwrap();
}

#[tokio::test]
async fn a_slow_body_frees_the_key_at_its_end() {
    let world = World::new().await;
    slow(&world.locks).await.unwrap();
    assert!(!world.is_held("nightly"));
}
