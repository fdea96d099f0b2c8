//! `fencing`, `fail_fast` and `max_waiters`: options that are passed to the request as they are.

use std::time::Duration;

use redlock::{FencingToken, Redlock, Result, WaiterLimit, redlock};

use tests::World;

#[redlock(key = "request", ttl = "10s", lock = locks, fencing = false, guard = held)]
async fn without_a_token(locks: &Redlock) -> Result<FencingToken> {
    Ok(held.token())
}

#[redlock(key = "request", ttl = "10s", lock = locks, wait = "60s", fail_fast)]
async fn fails_fast(locks: &Redlock) -> Result<()> {
    Ok(())
}

#[redlock(key = "request", ttl = "10s", lock = locks, max_waiters = limit)]
async fn limited(locks: &Redlock, limit: &WaiterLimit) -> Result<()> {
    Ok(())
}

#[tokio::test]
async fn a_lock_without_fencing_has_no_token() {
    let world = World::new().await;
    let token = without_a_token(&world.locks).await.unwrap();
    let plain = world.elsewhere.lock("plain").fencing(false).await.unwrap();
    assert_eq!(token, plain.token());
}

#[tokio::test]
async fn a_missing_quorum_is_an_error_after_one_attempt() {
    let world = World::new().await;
    world.lose_quorum();
    let call = fails_fast(&world.locks);
    let error = tests::within(Duration::from_secs(30), call).await;
    assert!(error.unwrap_err().is_no_quorum());
}

#[tokio::test]
async fn a_call_beyond_the_limit_does_not_wait() {
    let world = World::new().await;
    let _guard = world.busy("request").await;
    let nobody = WaiterLimit::new(0, 0);
    let error = limited(&world.locks, &nobody).await.unwrap_err();
    assert!(error.is_too_many_waiters(), "{error}");
}
