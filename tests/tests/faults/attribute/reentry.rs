//! Options that a joined lock cannot keep are refused, not ignored.

use std::time::Duration;

use redlock::{Error, Result, redlock};

use tests::World;

fn refused<T: std::fmt::Debug>(answer: Result<T>, option: &str) {
    let error = answer.unwrap_err();
    assert!(error.is_invalid(), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("reentrant") && text.contains(option),
        "{text}"
    );
}

#[tokio::test]
async fn f27_options_that_a_joined_lock_would_ignore_are_refused() {
    let locks = World::new().await.locks;
    let hour = Duration::from_secs(3600);
    let ask = || locks.lock("k").reentrant(true);
    // Whether there is a lock to join or not: a program that works alone works nested.
    for _ in 0..2 {
        refused(ask().max_hold(hour).await, "max_hold");
        refused(ask().at_least(hour).await, "at_least");
        refused(ask().max_hold(hour).run(async |_| ()).await, "max_hold");
    }
    let outer = locks.lock("k").max_hold(hour).at_least(hour);
    let ran = outer
        .run(async |_| {
            refused(ask().max_hold(hour).await, "max_hold");
            refused(ask().at_least(hour).await, "at_least");
            let joined = ask().await.unwrap();
            refused(joined.cool_down(hour).await, "joined");
            ask().run(async |held| held.is_lost()).await
        })
        .await;
    assert!(!ran.unwrap().unwrap());
    let error: Error = locks.lock("k").await.unwrap_err();
    assert!(error.is_cooling_down(), "the caller's own terms: {error}");
}

/// Nested with one key, without `reentrant`: an error at once, even from a helper with two levels in between.
#[redlock(key = "h6:{id}", ttl = "10s", lock = locks)]
async fn outer(locks: &redlock::Redlock, id: u8) -> Result<()> {
    middle(locks, id).await
}

#[redlock(key = const "h6:other", ttl = "10s", lock = locks)]
async fn middle(locks: &redlock::Redlock, id: u8) -> Result<()> {
    inner(locks, id).await
}

#[redlock(key = "h6:{id}", ttl = "10s", lock = locks, wait = "20s")]
async fn inner(locks: &redlock::Redlock, id: u8) -> Result<()> {
    Ok(())
}

/// Calls itself under its own lock.
#[redlock(key = "h6:{id}", ttl = "10s", lock = locks, reentrant, guard = held)]
async fn down(locks: &redlock::Redlock, id: u8, depth: u8) -> Result<Vec<u64>> {
    let own = held.token().get();
    let mut tokens = match depth {
        0 => Vec::new(),
        _ => Box::pin(down(locks, id, depth - 1)).await?,
    };
    tokens.push(own);
    Ok(tokens)
}

#[tokio::test]
async fn h6_a_nested_key_is_an_error_at_once_at_any_depth() {
    let locks = World::new().await.locks;
    let error = tests::within(Duration::from_secs(10), outer(&locks, 1));
    assert!(error.await.unwrap_err().is_already_held());
    outer(&locks, 2).await.unwrap_err();
    let tokens = down(&locks, 1, 3).await.unwrap();
    assert_eq!(tokens, [tokens[0]; 4], "one lock, joined");
    locks.try_lock("h6:1").await.unwrap();
}
