//! `keep_alive`: a long body keeps its lock, unless renewal is off.

use std::time::Duration;

use redlock::{Held, Redlock, Result, redlock};
use tokio::time::sleep;

use tests::World;

const LONG: Duration = Duration::from_millis(1_500);

#[redlock(key = "long", ttl = "500ms", lock = locks, guard = held)]
async fn kept(locks: &Redlock) -> Result<Held> {
    sleep(LONG).await;
    assert!(!held.is_lost());
    Ok(held)
}

#[redlock(key = "short", ttl = "500ms", lock = locks, keep_alive = false)]
async fn ends(locks: &Redlock) -> Result<()> {
    sleep(LONG).await;
    unreachable!("the lock ended a second ago");
}

#[tokio::test]
async fn a_body_longer_than_the_ttl_keeps_its_lock() {
    let world = World::new().await;
    kept(&world.locks).await.unwrap();
    assert!(!world.is_held("long"));
}

#[tokio::test]
async fn without_extension_the_lock_ends_with_its_ttl() {
    let world = World::new().await;
    let error = ends(&world.locks).await.unwrap_err();
    assert!(error.is_lost(), "{error}");
}
