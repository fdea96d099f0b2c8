//! `no_wait`: one look, and a held lock is an error at once.

use std::time::Duration;

use redlock::{Redlock, Result, redlock};
use tests::within;

use tests::World;

#[redlock(key = "seat", ttl = "10s", lock = locks, no_wait)]
async fn seat(locks: &Redlock) -> Result<u8> {
    Ok(1)
}

#[redlock(key = "seat", ttl = "10s", lock = locks, no_wait = true)]
async fn spelled_out(locks: &Redlock) -> Result<u8> {
    Ok(1)
}

#[redlock(key = "seat", ttl = "10s", lock = locks, wait = "0s")]
async fn waits_for_nothing(locks: &Redlock) -> Result<u8> {
    Ok(1)
}

#[tokio::test]
async fn a_held_lock_is_an_error_at_once() {
    let world = World::new().await;
    assert_eq!(seat(&world.locks).await.unwrap(), 1);
    let _held = world.busy("seat").await;
    let at_once = Duration::from_secs(2);
    for error in [
        within(at_once, seat(&world.locks)).await.unwrap_err(),
        within(at_once, spelled_out(&world.locks))
            .await
            .unwrap_err(),
        within(at_once, waits_for_nothing(&world.locks))
            .await
            .unwrap_err(),
    ] {
        assert!(error.is_busy(), "{error}");
        assert!(
            error
                .retry_after()
                .is_some_and(|rest| rest > Duration::from_secs(50))
        );
    }
}
