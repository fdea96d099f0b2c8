//! `reentrant`, and the clear error without it: an annotated function that calls another one of the same key.

use std::time::Duration;

use redlock::{FencingToken, Redlock, Result, redlock};
use tests::within;

use tests::World;

#[redlock(key = "account:{id}", ttl = "10s", lock = locks, guard = held)]
async fn transfer(locks: &Redlock, id: u8, joins: bool) -> Result<(FencingToken, FencingToken)> {
    let inner = if joins {
        audit(locks, id).await?
    } else {
        deposit(locks, id).await?
    };
    Ok((held.token(), inner))
}

#[redlock(key = "account:{id}", ttl = "10s", lock = locks, guard = held, reentrant)]
async fn audit(locks: &Redlock, id: u8) -> Result<FencingToken> {
    tokio::task::yield_now().await;
    Ok(held.token())
}

#[redlock(key = "account:{id}", ttl = "10s", lock = locks, guard = held)]
async fn deposit(locks: &Redlock, id: u8) -> Result<FencingToken> {
    let _ = id;
    Ok(held.token())
}

#[redlock(key = "account:{id}", ttl = "10s", lock = locks)]
async fn other_account(locks: &Redlock, id: u8) -> Result<FencingToken> {
    deposit(locks, id + 1).await
}

/// H6: the inner call joins the outer one's lock, which is still held when it returns.
#[tokio::test]
async fn h6_a_nested_call_joins_the_lock_if_requested() {
    let world = World::new().await;
    let (outer, inner) = within(Duration::from_secs(5), transfer(&world.locks, 1, true))
        .await
        .unwrap();
    assert_eq!(outer, inner, "one lock, one token");
    assert!(!world.is_held("account:1"));

    #[redlock(key = "account:1", ttl = "10s", lock = world.locks)]
    async fn joined(world: &World) -> Result<()> {
        audit(&world.locks, 1).await?;
        assert!(world.is_held("account:1"), "the inner end is not the end");
        let busy = world.elsewhere.try_lock("account:1").await?;
        assert!(busy.is_none());
        Ok(())
    }
    joined(&world).await.unwrap();
}

/// H6: otherwise a clear error, long before the wait of 10 s is over.
#[tokio::test]
async fn h6_a_nested_call_is_a_clear_error_otherwise() {
    let world = World::new().await;
    let error = within(Duration::from_secs(2), transfer(&world.locks, 1, false))
        .await
        .unwrap_err();
    assert!(error.is_already_held(), "{error}");
    assert_eq!(error.key(), Some("account:1"));
    assert!(
        error.to_string().contains("reentrant"),
        "names the remedy: {error}"
    );
    assert!(!world.is_held("account:1"));
}

#[tokio::test]
async fn another_key_or_another_task_is_not_nested() {
    let world = World::new().await;
    other_account(&world.locks, 1).await.unwrap();
    audit(&world.locks, 1).await.unwrap();

    #[redlock(key = "account:1", ttl = "10s", lock = world.locks)]
    async fn spawns(world: World) -> Result<bool> {
        let locks = world.locks.clone();
        let spawned = tokio::spawn(async move { once(&locks).await });
        Ok(spawned.await.unwrap().is_err_and(|error| error.is_busy()))
    }

    #[redlock(key = "account:1", ttl = "10s", lock = locks, no_wait, reentrant)]
    async fn once(locks: &Redlock) -> Result<()> {
        Ok(())
    }
    assert!(
        spawns(world.clone()).await.unwrap(),
        "a task of its own waits like anybody else"
    );
}
