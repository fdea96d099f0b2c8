//! E3, E4: if the key is gone, the lock is lost for good.

use std::time::Duration;

use tests::{Cluster, eventually, within};

use crate::support::{KEY, LONG, SOON, connect};

async fn delete(cluster: &Cluster, nodes: &[usize]) {
    for node in nodes {
        let () = cluster.node(*node).ask(redis::cmd("DEL").arg(KEY)).await;
    }
}

#[tokio::test]
async fn e3_deleted_on_a_majority_is_lost_even_if_the_key_is_free() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    for gone in [vec![0, 1], vec![1, 2], vec![0, 1, 2]] {
        let guard = redlock.lock(KEY).ttl(LONG).wait(SOON).await.expect("free");
        eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
        delete(&cluster, &gone).await;
        let error = guard.extend().await.expect_err("gone on a majority");
        assert!(error.is_lost(), "{error}");
        assert!(guard.is_lost());
        assert_eq!(guard.remaining(), Duration::ZERO);
        within(SOON, guard.lost()).await;
        // A lost lock is released, even if its key still exists or was restored in the meantime.
        eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
        assert!(guard.release().await.expect_err("lost").is_lost());
    }
}

/// The next extension restores the key on a minority that forgot it, for no longer than the lease.
#[tokio::test]
async fn e3_deleted_on_a_minority_is_held_and_restored() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let guard = redlock.lock(KEY).ttl(LONG).await.expect("free");
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
    let owner = cluster.node(0).get(KEY).await;
    delete(&cluster, &[1]).await;
    guard.extend().await.expect("two of three");
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
    assert_eq!(cluster.node(1).get(KEY).await, owner);
    assert!(cluster.node(1).pttl(KEY).await.expect("a lease") <= LONG);
    guard.release().await.expect("released");
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

#[tokio::test]
async fn e3_expired_on_a_majority_is_lost() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let guard = redlock
        .lock(KEY)
        .ttl(LONG)
        .keep_alive(false)
        .await
        .expect("free");
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
    for node in &cluster.nodes()[..2] {
        let () = node.ask(redis::cmd("PEXPIRE").arg(KEY).arg(1)).await;
    }
    eventually(SOON, async || cluster.locked_on(KEY).await == [2]).await;
    assert!(
        guard
            .extend()
            .await
            .expect_err("expired on a majority")
            .is_lost()
    );
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

#[tokio::test]
async fn e4_lost_is_final_also_after_the_other_holder_released() {
    let cluster = Cluster::start(3).await;
    let (a, b) = (connect(&cluster).await, connect(&cluster).await);
    let guard = a.lock(KEY).ttl(LONG).await.expect("free");
    let held = guard.held();
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
    delete(&cluster, &[0, 1, 2]).await;
    let other = b.lock(KEY).ttl(LONG).wait(SOON).await.expect("deleted");
    assert!(guard.extend().await.expect_err("taken").is_lost());
    other.release().await.expect("released");
    for _ in 0..3 {
        assert!(guard.extend().await.expect_err("lost is final").is_lost());
        assert!(guard.is_lost() && held.is_lost());
        assert_eq!(held.remaining(), Duration::ZERO);
        within(SOON, guard.lost()).await;
    }
    a.close().await;
    assert!(cluster.locked_on(KEY).await.is_empty());
}
