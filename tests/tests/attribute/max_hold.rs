//! `max_hold`: a body that never ends does not hold its lock for ever.

use std::time::Duration;

use redlock::{Redlock, Result, redlock};
use tests::within;
use tokio::time::Instant;

use tests::{World, world::BOUND};

#[redlock(key = "endless", ttl = "10s", lock = locks, max_hold = "400ms")]
async fn endless(locks: &Redlock) -> Result<()> {
    std::future::pending().await
}

#[tokio::test]
async fn the_body_is_cancelled_and_the_key_free() {
    let world = World::new().await;
    let start = Instant::now();
    let error = within(BOUND, endless(&world.locks)).await.unwrap_err();
    assert!(error.is_lost(), "{error}");
    assert!(
        start.elapsed() >= Duration::from_millis(390) && start.elapsed() < Duration::from_secs(5)
    );
    world.free("endless").await;
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "long before the ttl"
    );
}
