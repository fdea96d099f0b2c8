//! `wait`: for a held lock, that long at most.

use std::time::Duration;

use redlock::{Redlock, Result, redlock};
use tests::within;
use tokio::time::{Instant, sleep};

use tests::{World, world::BOUND};

const PATIENCE: Duration = Duration::from_secs(15);

#[redlock(key = "room", ttl = "10s", lock = locks, wait = "400ms")]
async fn briefly(locks: &Redlock) -> Result<()> {
    Ok(())
}

#[redlock(key = "room", ttl = "10s", lock = locks, wait = PATIENCE)]
async fn patiently(locks: &Redlock) -> Result<()> {
    Ok(())
}

#[redlock(key = "room", ttl = "10s", lock = locks)]
async fn by_default(locks: &Redlock) -> Result<()> {
    Ok(())
}

#[tokio::test]
async fn runs_as_soon_as_the_lock_is_free() {
    let world = World::new().await;
    let held = world.busy("room").await;
    let start = Instant::now();
    let both = async { tokio::join!(patiently(&world.locks), by_default(&world.locks)) };
    let release = async {
        sleep(Duration::from_millis(200)).await;
        held.release().await.unwrap();
    };
    let ((patient, default), ()) =
        within(BOUND, Box::pin(async { tokio::join!(both, release) })).await;
    patient.unwrap();
    default.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn gives_up_when_the_wait_is_over() {
    let world = World::new().await;
    let _held = world.busy("room").await;
    let start = Instant::now();
    let error = briefly(&world.locks).await.unwrap_err();
    assert!(error.is_timed_out(), "{error}");
    assert!(
        start.elapsed() >= Duration::from_millis(390) && start.elapsed() < Duration::from_secs(5)
    );
}
