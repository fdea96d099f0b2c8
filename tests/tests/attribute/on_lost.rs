//! `on_lost`: what becomes of a body whose lock is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redlock::{Redlock, Result, redlock};
use tests::within;
use tokio::sync::Notify;

use tests::{World, world::BOUND};

#[redlock(key = "work", ttl = "600ms", lock = locks)]
async fn cancelled(locks: &Redlock, started: Arc<Notify>, went_on: Arc<AtomicBool>) -> Result<()> {
    let _dropped = Dropped(&went_on);
    started.notify_one();
    std::future::pending().await
}

struct Dropped<'a>(&'a AtomicBool);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[redlock(key = "work", ttl = "600ms", lock = locks, on_lost = signal, guard = held)]
async fn signalled(locks: &Redlock, started: Arc<Notify>) -> Result<&'static str> {
    started.notify_one();
    held.lost().await;
    assert!(held.is_lost());
    Ok("tidied up")
}

#[tokio::test]
async fn cancelled_by_default() {
    let world = World::new().await;
    let (started, went_on) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let call = cancelled(&world.locks, started.clone(), went_on.clone());
    let (error, ()) = tokio::join!(within(BOUND, call), lose(&world, &started));
    let error = error.unwrap_err();
    assert!(error.is_lost(), "{error}");
    assert!(
        went_on.load(Ordering::SeqCst),
        "the body's own values are dropped"
    );
}

#[tokio::test]
async fn signalled_on_request_and_its_value_is_returned() {
    let world = World::new().await;
    let started = Arc::new(Notify::new());
    let call = signalled(&world.locks, started.clone());
    let (value, ()) = tokio::join!(within(BOUND, call), lose(&world, &started));
    assert_eq!(value.unwrap(), "tidied up");
}

/// The nodes forget everything while the body runs.
async fn lose(world: &World, started: &Notify) {
    started.notified().await;
    for node in world.nodes.nodes() {
        node.restart_empty();
    }
}
