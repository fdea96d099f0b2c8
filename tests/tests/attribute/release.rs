//! How a call ends: by its value, a panic, a cancellation; and a release that fails changes nothing.

use std::sync::Arc;
use std::time::Duration;

use redlock::{Redlock, Result, redlock};
use tests::{Logs, within};
use tokio::sync::Notify;
use tracing::level_filters::LevelFilter;

use tests::{World, world::BOUND};

#[redlock(key = "end", ttl = "10s", lock = locks)]
async fn value(locks: &Redlock) -> Result<u8> {
    Ok(1)
}

#[redlock(key = "end", ttl = "10s", lock = locks)]
async fn panics(locks: Redlock) -> Result<u8> {
    panic!("on purpose")
}

#[redlock(key = "end", ttl = "10s", lock = locks)]
async fn stays(locks: Redlock, started: Arc<Notify>) -> Result<u8> {
    started.notify_one();
    std::future::pending().await
}

#[redlock(key = "end", ttl = "10s", lock = world.locks)]
async fn outage(world: &World) -> Result<u8> {
    world.lose_quorum();
    Ok(7)
}

#[tokio::test]
async fn released_before_the_caller_has_the_value() {
    let world = World::new().await;
    for _ in 0..20 {
        value(&world.locks).await.unwrap();
        assert!(world.elsewhere.try_lock("end").await.unwrap().is_some());
        world.free("end").await;
    }
}

#[tokio::test]
async fn released_after_a_panic() {
    let world = World::new().await;
    let panicked = tokio::spawn(panics(world.locks.clone())).await.unwrap_err();
    assert!(panicked.is_panic());
    world.free("end").await;
}

#[tokio::test]
async fn released_after_a_cancellation() {
    let world = World::new().await;
    let started = Arc::new(Notify::new());
    let running = tokio::spawn(stays(world.locks.clone(), started.clone()));
    started.notified().await;
    assert!(world.is_held("end"));
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    world.free("end").await;
}

#[tokio::test]
async fn a_failed_release_never_replaces_the_value() {
    let logs = Logs::capture(LevelFilter::WARN);
    let world = World::new().await;
    assert_eq!(within(BOUND, outage(&world)).await.unwrap(), 7);
    assert!(!logs.lines_with("outage").is_empty(), "{}", logs.text());
}

/// A call that is dropped at each of its await points leaves nothing behind.
#[tokio::test]
async fn no_key_is_left_after_a_cancellation_at_any_poll() {
    let world = World::new().await;
    for polls in 0..40 {
        let mut call = Box::pin(value(&world.locks));
        let mut left = polls;
        let done = std::future::poll_fn(|cx| {
            if left == 0 {
                return std::task::Poll::Ready(false);
            }
            left -= 1;
            call.as_mut().poll(cx).map(|_| true)
        });
        let done = tokio::time::timeout(Duration::from_millis(100), done).await;
        drop(call);
        world.free("end").await;
        if done == Ok(true) {
            return;
        }
    }
}
