//! N2, N3: keys disappear too early.

use std::time::Duration;

use redlock::{Redlock, memory};
use tests::{Cluster, Node, eventually, within};
use tokio::time::{Instant, sleep};

use crate::support::{BOUND, KEY, LONG, SOON, connect};

async fn flush(node: &Node) {
    let () = node.ask(&redis::cmd("FLUSHALL")).await;
}

/// All keys are evicted, as by a full cache.
async fn evict(node: &Node) {
    for (name, value) in [
        ("maxmemory-policy", "allkeys-random"),
        ("maxmemory", "1"),
        ("maxmemory", "0"),
    ] {
        let () = node
            .ask(redis::cmd("CONFIG").arg("SET").arg(name).arg(value))
            .await;
    }
    eventually(SOON, async || node.keys().await.is_empty()).await;
}

#[tokio::test]
async fn n2_the_holder_learns_of_flushall() {
    holder_learns_of(flush).await;
}

#[tokio::test]
async fn n2_the_holder_learns_of_eviction() {
    holder_learns_of(evict).await;
}

async fn holder_learns_of(forget: impl AsyncFn(&Node)) {
    let ttl = Duration::from_secs(3);
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let guard = redlock
        .lock(KEY)
        .ttl(ttl)
        .keep_alive(true)
        .await
        .expect("free");
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
    // A minority that forgets has no effect.
    forget(cluster.node(0)).await;
    sleep(ttl / 2).await;
    guard.extend().await.expect("held by the others");
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;

    forget(cluster.node(0)).await;
    forget(cluster.node(1)).await;
    let start = Instant::now();
    within(BOUND, guard.lost()).await;
    // By the next extension, not by the end of the validity.
    assert!(
        start.elapsed() < ttl * 2 / 3,
        "reported after {:?}",
        start.elapsed()
    );
    assert!(guard.is_lost());
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

#[tokio::test]
async fn n3_the_key_expires_early_on_one_node() {
    let cluster = Cluster::start(5).await;
    let (a, b) = (connect(&cluster).await, connect(&cluster).await);
    let guard = a.lock(KEY).ttl(LONG).await.expect("free");
    eventually(SOON, async || cluster.locked_on(KEY).await.len() == 5).await;
    for jumped in 0..2 {
        let () = cluster
            .node(jumped)
            .ask(redis::cmd("PEXPIRE").arg(KEY).arg(1))
            .await;
        for _ in 0..3 {
            assert!(
                b.lock(KEY)
                    .no_wait()
                    .await
                    .expect_err("still held")
                    .is_busy()
            );
        }
    }
    guard.extend().await.expect("still held");
    guard.release().await.expect("released");
}

/// *Simulated*: the node's clock itself.
#[tokio::test]
async fn n3_one_clock_jumps_past_the_ttl() {
    let nodes = memory::Nodes::new(5);
    let a = Redlock::connect(nodes.nodes()).await.expect("five nodes");
    let b = Redlock::connect(nodes.nodes()).await.expect("five nodes");
    let guard = a.lock(KEY).ttl(LONG).await.expect("free");
    for jumped in 0..2 {
        nodes.node(jumped).shift_clock(Duration::from_secs(3600));
        for _ in 0..3 {
            assert!(
                b.lock(KEY)
                    .no_wait()
                    .await
                    .expect_err("still held")
                    .is_busy()
            );
        }
    }
    guard.extend().await.expect("still held");
    assert!(!guard.is_lost());
}
