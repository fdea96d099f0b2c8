//! On nodes in memory, under paused time.

use std::time::Duration;

use redlock::{Guard, Redlock, memory::Nodes};

use crate::KEY;

const HOUR: Duration = Duration::from_secs(3600);

async fn client(nodes: &Nodes) -> Redlock {
    Redlock::connect(nodes.nodes()).await.expect("all up")
}

async fn lock(redlock: &Redlock) -> Guard {
    redlock.lock(KEY).await.expect("a lock")
}

/// Three nodes and a client that has written a value with a retention of an hour.
async fn written() -> (Nodes, Redlock) {
    let nodes = Nodes::new(3);
    let redlock = client(&nodes).await;
    let guard = lock(&redlock).await;
    let write = guard.write("page 1").retention(HOUR);
    write.await.expect("three nodes");
    guard.release().await.expect("three nodes");
    (nodes, redlock)
}

#[tokio::test(start_paused = true)]
async fn fresh_nodes_have_forgotten_nothing() {
    let nodes = Nodes::new(3);
    let redlock = client(&nodes).await;
    let guard = lock(&redlock).await;
    assert_eq!(guard.read().await.expect("three nodes"), None);
    guard.write("page 1").await.expect("three nodes");
    assert_eq!(
        redlock.read(KEY).await.expect("three nodes"),
        Some(b"page 1".to_vec())
    );
}

#[tokio::test(start_paused = true)]
async fn a_value_expires_after_its_retention_however_often_it_is_read() {
    let (_nodes, redlock) = written().await;
    for minutes in [20, 39] {
        tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
        let guard = lock(&redlock).await;
        let value = guard.read().retention(HOUR).await.expect("three nodes");
        assert_eq!(value.as_deref(), Some(&b"page 1"[..]));
        guard.release().await.expect("three nodes");
    }
    tokio::time::sleep(Duration::from_secs(61)).await;
    let guard = lock(&redlock).await;
    assert_eq!(
        guard.read().retention(HOUR).await.expect("three nodes"),
        None
    );
    assert_eq!(
        redlock
            .read(KEY)
            .retention(HOUR)
            .await
            .expect("three nodes"),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn a_restarted_majority_has_no_vote_until_it_is_as_old_as_the_retention() {
    let (nodes, redlock) = written().await;
    nodes.node(0).restart_empty();
    nodes.node(1).restart_empty();
    tokio::time::sleep(Duration::from_secs(90)).await;
    let guard = lock(&redlock).await;
    let error = guard
        .read()
        .retention(HOUR)
        .await
        .expect_err("two of three");
    assert!(error.is_forgotten(), "{error}");
    // By now, the value of the third node has expired as well.
    tokio::time::sleep(HOUR).await;
    assert_eq!(
        guard.read().retention(HOUR).await.expect("an hour old"),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_on_a_minority_is_seen_by_all_or_by_nobody() {
    let nodes = Nodes::new(3);
    let apart = nodes.apart();
    let (redlock, other) = (client(&nodes).await, client(&apart).await);
    let guard = other
        .lock(KEY)
        .ttl(Duration::from_secs(5))
        .await
        .expect("a lock");
    guard.write("page 1").await.expect("three nodes");
    apart.node(1).lose_requests(true);
    apart.node(2).lose_requests(true);
    assert!(
        guard
            .write("page 2")
            .await
            .expect_err("one node")
            .is_no_quorum()
    );
    apart.node(0).lose_requests(true);
    drop(guard);
    // Without the node that has the value.
    nodes.node(0).stop();
    let next = lock(&redlock).await;
    assert_eq!(
        next.read().await.expect("two nodes"),
        Some(b"page 1".to_vec())
    );
    nodes.node(0).start();
    nodes.node(1).stop();
    tokio::time::sleep(Duration::from_secs(2)).await;
    for _ in 0..3 {
        assert_eq!(
            redlock.read(KEY).await.expect("two nodes"),
            Some(b"page 1".to_vec())
        );
        assert_eq!(
            next.read().await.expect("two nodes"),
            Some(b"page 1".to_vec())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_permit_has_a_register_of_its_own() {
    let nodes = Nodes::new(3);
    let redlock = client(&nodes).await;
    let exports = redlock.semaphore(KEY, 2);
    let (first, second) = (
        exports.acquire().await.expect("free"),
        exports.acquire().await.expect("free"),
    );
    first.write("one").await.expect("three nodes");
    assert_eq!(second.read().await.expect("three nodes"), None);
    assert_eq!(redlock.read(KEY).await.expect("three nodes"), None);
}
