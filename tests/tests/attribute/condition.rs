//! `condition`: locked only where it is true.

use redlock::{Redlock, Result, redlock};

use tests::World;

#[redlock(key = "order:{id}", ttl = "10s", lock = locks, no_wait, condition = id > 0, guard = held)]
async fn order(locks: &Redlock, id: u32) -> Result<bool> {
    Ok(held.is_some())
}

#[redlock(key = "order:{id}", ttl = "10s", lock = locks, no_wait, condition = paid(id).await)]
async fn asked(locks: &Redlock, id: u32) -> Result<u32> {
    Ok(id)
}

async fn paid(id: u32) -> bool {
    id != 7
}

#[tokio::test]
async fn true_locks_and_false_does_not() {
    let world = World::new().await;
    assert!(order(&world.locks, 1).await.unwrap());
    assert!(!order(&world.locks, 0).await.unwrap());

    let _held = [
        world.busy("order:0").await,
        world.busy("order:1").await,
        world.busy("order:7").await,
    ];
    assert!(!order(&world.locks, 0).await.unwrap());
    assert!(order(&world.locks, 1).await.unwrap_err().is_busy());
    assert_eq!(asked(&world.locks, 7).await.unwrap(), 7);
    assert!(asked(&world.locks, 1).await.unwrap_err().is_busy());
}
