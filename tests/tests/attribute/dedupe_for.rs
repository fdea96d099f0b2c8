//! `dedupe_for`: busy for a window after a success, free at once after a failure.

use std::time::Duration;

use redlock::{Redlock, redlock};
use tokio::time::Instant;

use crate::app_error::AppError;
use tests::World;

const WINDOW: Duration = Duration::from_millis(800);

#[redlock(key = "submit:{user}", ttl = "10s", lock = locks, no_wait, dedupe_for = "800ms")]
async fn submit(locks: &Redlock, user: u8, outcome: Result<u8, AppError>) -> Result<u8, AppError> {
    let _ = user;
    let value = outcome?;
    Ok(value)
}

/// The alias hides the `Result`, the compiler sees it.
type Outcome = Result<(), AppError>;

#[redlock(key = "alias", ttl = "10s", lock = locks, no_wait, dedupe_for = WINDOW)]
async fn alias(locks: &Redlock, fails: bool) -> Outcome {
    if fails {
        Err(AppError::Own("failed"))
    } else {
        Ok(())
    }
}

#[redlock(key = "plain", ttl = "10s", lock = locks, on_busy = skip, dedupe_for = WINDOW)]
async fn plain(locks: &Redlock) -> Option<u8> {
    Some(1)
}

#[redlock(key = "opaque", ttl = "10s", lock = locks, no_wait, dedupe_for = WINDOW)]
async fn opaque(
    locks: &Redlock,
    fails: bool,
) -> Result<impl Iterator<Item = u8> + use<>, AppError> {
    if fails {
        return Err(AppError::Own("failed"));
    }
    Ok(0..3)
}

#[redlock(key = "both", ttl = "10s", lock = locks, no_wait, dedupe_for = "100ms", at_least = WINDOW)]
async fn with_at_least(locks: &Redlock) -> Result<(), AppError> {
    Ok(())
}

#[tokio::test]
async fn a_success_keeps_the_key_busy_for_the_window() {
    let world = World::new().await;
    let start = Instant::now();
    assert_eq!(submit(&world.locks, 1, Ok(1)).await.unwrap(), 1);
    for locks in [&world.locks, &world.elsewhere] {
        let error = submit(locks, 1, Ok(2)).await.unwrap_err().lock();
        assert!(error.is_busy(), "{error}");
    }
    assert_eq!(
        submit(&world.locks, 2, Ok(2)).await.unwrap(),
        2,
        "another user is not held up"
    );
    world.free("submit:1").await;
    assert!(start.elapsed() >= WINDOW);
    assert_eq!(submit(&world.elsewhere, 1, Ok(3)).await.unwrap(), 3);
}

#[tokio::test]
async fn a_failure_frees_the_key_at_once() {
    let world = World::new().await;
    submit(&world.locks, 1, Err(AppError::Own("failed")))
        .await
        .unwrap_err();
    assert!(!world.is_held("submit:1"));
    alias(&world.locks, true).await.unwrap_err();
    assert!(!world.is_held("alias"));
    assert!(opaque(&world.locks, true).await.is_err());
    assert!(!world.is_held("opaque"));
}

#[tokio::test]
async fn a_value_that_is_not_a_result_is_a_success() {
    let world = World::new().await;
    alias(&world.locks, false).await.unwrap();
    assert!(world.is_held("alias"));
    assert_eq!(plain(&world.locks).await, Some(1));
    assert_eq!(plain(&world.locks).await, None);
    assert_eq!(opaque(&world.locks, false).await.unwrap().count(), 3);
    assert!(world.is_held("opaque"));
}

#[tokio::test]
async fn the_longer_of_window_and_at_least_counts() {
    let world = World::new().await;
    let start = Instant::now();
    with_at_least(&world.locks).await.unwrap();
    world.free("both").await;
    assert!(start.elapsed() >= WINDOW);
}

#[tokio::test]
async fn a_panic_frees_the_key() {
    #[redlock(key = "panics", ttl = "10s", lock = locks, no_wait, dedupe_for = "1m")]
    async fn panics(locks: Redlock) -> Result<(), AppError> {
        panic!("on purpose")
    }
    let world = World::new().await;
    assert!(
        tokio::spawn(panics(world.locks.clone()))
            .await
            .unwrap_err()
            .is_panic()
    );
    world.free("panics").await;
}
