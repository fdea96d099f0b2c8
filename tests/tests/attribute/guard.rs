//! `guard`: the held lock by the name one gives it.

use std::time::Duration;

use redlock::{FencingToken, Held, Redlock, Result, redlock};

use tests::World;

#[redlock(key = "invoice:{id}", ttl = "10s", lock = locks, guard = lock)]
async fn invoice(locks: &Redlock, id: u8) -> Result<(String, FencingToken)> {
    assert!(!lock.is_lost());
    assert!(
        lock.remaining() > Duration::from_secs(5) && lock.remaining() < Duration::from_secs(10)
    );
    Ok((lock.key().to_owned(), lock.token()))
}

/// A name that the arguments have too is the lock inside of the body.
#[redlock(key = "same", ttl = "10s", lock = lock, guard = lock)]
async fn shadows(lock: &Redlock) -> Result<Held> {
    Ok(lock)
}

#[tokio::test]
async fn key_token_and_rest() {
    let world = World::new().await;
    let (key, first) = invoice(&world.locks, 7).await.unwrap();
    assert_eq!(key, "invoice:7");
    let (_, second) = invoice(&world.elsewhere, 7).await.unwrap();
    assert!(second > first, "{second} after {first}");
    assert_eq!(shadows(&world.locks).await.unwrap().key(), "same");
}
