//! The default return: `Result<T, E>` with an `E` that is made of our error.

use std::error::Error as StdError;

use redlock::{Redlock, redlock};

use crate::app_error::AppError;
use tests::World;

#[redlock(key = "r", ttl = "10s", lock = locks, no_wait)]
async fn own(locks: &Redlock) -> Result<u8, AppError> {
    Ok(1)
}

#[redlock(key = "r", ttl = "10s", lock = locks, no_wait)]
async fn ours(locks: &Redlock) -> redlock::Result<u8> {
    Ok(1)
}

#[redlock(key = "r", ttl = "10s", lock = locks, no_wait)]
async fn boxed(locks: &Redlock) -> Result<u8, Box<dyn StdError + Send + Sync>> {
    Ok(1)
}

#[tokio::test]
async fn the_error_is_returned_unchanged() {
    let world = World::new().await;
    let locks = &world.locks;
    assert_eq!(
        own(locks).await.unwrap() + ours(locks).await.unwrap() + boxed(locks).await.unwrap(),
        3
    );

    let _held = world.busy("r").await;
    assert!(own(locks).await.unwrap_err().lock().is_busy());
    assert!(
        boxed(locks)
            .await
            .unwrap_err()
            .downcast::<redlock::Error>()
            .unwrap()
            .is_busy()
    );
    let error = ours(locks).await.unwrap_err();
    assert_eq!(error.key(), Some("r"));
    assert!(error.retry_after().is_some());
}
