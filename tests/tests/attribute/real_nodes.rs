//! H6 and H7 once more, on real servers.

use std::time::Duration;

use redlock::{Redlock, Result, redlock};
use tests::{Cluster, within};
use tokio::sync::Barrier;

use tests::world::BOUND;

#[redlock(key = "account:{id}", ttl = "10s", lock = locks)]
async fn outer(locks: &Redlock, id: u64, reentrant: bool) -> Result<()> {
    if reentrant {
        joins(locks, id).await
    } else {
        waits(locks, id).await
    }
}

#[redlock(key = "account:{id}", ttl = "10s", lock = locks, reentrant)]
async fn joins(locks: &Redlock, id: u64) -> Result<()> {
    Ok(())
}

#[redlock(key = "account:{id}", ttl = "10s", lock = locks)]
async fn waits(locks: &Redlock, id: u64) -> Result<()> {
    Ok(())
}

#[redlock(key = "pair:{left}:{right}", ttl = "10s", lock = locks, no_wait)]
async fn pair(locks: &Redlock, left: &str, right: &str, both: &Barrier) -> Result<()> {
    both.wait().await;
    Ok(())
}

#[tokio::test]
async fn h6_a_nested_call_joins_or_is_a_clear_error_on_real_nodes() {
    let cluster = Cluster::start(3).await;
    let locks = Redlock::connect(cluster.urls()).await.unwrap();
    within(BOUND, outer(&locks, 1, true)).await.unwrap();
    // Long before the wait of 10 s is over.
    let error = within(Duration::from_secs(5), outer(&locks, 1, false))
        .await
        .unwrap_err();
    assert!(error.is_already_held(), "{error}");
    assert!(cluster.locked_on("account:1").await.is_empty());
}

#[tokio::test]
async fn h7_parts_do_not_collide_on_real_nodes() {
    let cluster = Cluster::start(3).await;
    let locks = Redlock::connect(cluster.urls()).await.unwrap();
    let elsewhere = Redlock::connect(cluster.urls()).await.unwrap();
    // Both are inside at the same time, or neither ever gets out.
    let both = Barrier::new(2);
    let (first, second) = within(BOUND, async {
        tokio::join!(
            pair(&locks, "a:b", "c", &both),
            pair(&elsewhere, "a", "b:c", &both)
        )
    })
    .await;
    first.unwrap();
    second.unwrap();
}
