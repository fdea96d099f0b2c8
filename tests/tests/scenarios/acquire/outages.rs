//! A2, A10, A12: nodes that are down, for all clients or for one.

use std::time::Duration;

use tests::proxy::{Direction, Flow, Proxy};
use tests::{Cluster, eventually, within};
use tokio::time::Instant;

use crate::support::{BOUND, KEY, LONG, SOON, connect, through};

#[tokio::test]
async fn a2_one_then_two_then_three_of_five_refuse() {
    let cluster = Cluster::start(5).await;
    let redlock = connect(&cluster).await;
    for down in [4, 1] {
        cluster.node(down).kill();
        let guard = redlock
            .lock(KEY)
            .ttl(LONG)
            .no_wait()
            .await
            .expect("a quorum is up");
        guard.release().await.expect("released by a quorum");
        eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
    }
    cluster.node(2).kill();
    let error = redlock
        .lock(KEY)
        .ttl(LONG)
        .no_wait()
        .await
        .expect_err("two of five");
    assert!(error.is_no_quorum(), "{error}");
    assert!(error.to_string().contains("no quorum"), "{error}");
    for down in [1, 2, 4] {
        let port = cluster.node(down).port().to_string();
        let named = error
            .node_errors()
            .iter()
            .find(|node| node.node().contains(&port));
        let cause = named
            .unwrap_or_else(|| panic!("node {down} is not named: {error}"))
            .cause();
        assert!(!cause.is_empty());
        assert!(
            error.to_string().contains(&port) && error.to_string().contains(cause),
            "{error}"
        );
    }
    for up in [0, 3] {
        let port = cluster.node(up).port().to_string();
        assert!(
            error
                .node_errors()
                .iter()
                .all(|node| !node.node().contains(&port)),
            "node {up} is blamed: {error}"
        );
    }
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

/// Once nodes are back, the same handle works again.
#[tokio::test]
async fn a2_the_handle_works_again_when_nodes_are_resumed() {
    let cluster = Cluster::start(5).await;
    let redlock = connect(&cluster).await;
    for down in [0, 2, 4] {
        cluster.node(down).pause();
    }
    let error = within(SOON, redlock.lock(KEY).ttl(LONG).no_wait())
        .await
        .expect_err("two of five");
    assert!(error.is_no_quorum(), "{error}");
    for down in [0, 2, 4] {
        cluster.node(down).resume();
    }
    // The hung nodes process their buffers now, which must not block the key.
    let guard = redlock
        .lock(KEY)
        .ttl(LONG)
        .wait(SOON)
        .await
        .expect("all are back");
    guard.release().await.expect("released");
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

#[tokio::test]
async fn a10_waiting_is_bounded_when_all_nodes_refuse() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    for node in cluster.nodes() {
        node.kill();
    }
    bounded_by_its_wait(&redlock).await;
}

#[tokio::test]
async fn a10_waiting_is_bounded_when_all_nodes_hang() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    for node in cluster.nodes() {
        node.pause();
    }
    bounded_by_its_wait(&redlock).await;
    for node in cluster.nodes() {
        node.resume();
    }
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

async fn bounded_by_its_wait(redlock: &redlock::Redlock) {
    for wait in [Duration::from_millis(300), Duration::from_millis(900)] {
        let start = Instant::now();
        let error = within(BOUND, redlock.lock(KEY).ttl(LONG).wait(wait))
            .await
            .expect_err("nobody is there");
        let took = start.elapsed();
        assert!(error.is_no_quorum(), "{error}");
        assert_eq!(error.node_errors().len(), 3, "{error}");
        // At most one more attempt: a node time-out, and some margin for a busy machine.
        assert!(
            took < wait + Duration::from_millis(500),
            "{took:?} for a wait of {wait:?}"
        );
    }
}

/// A request that waits survives an outage that ends in time.
#[tokio::test]
async fn a10_waiting_ends_with_a_grant_when_nodes_come_back() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    for node in cluster.nodes() {
        node.pause();
    }
    let waiting = {
        let redlock = redlock.clone();
        tokio::spawn(async move { redlock.lock(KEY).ttl(LONG).wait(BOUND).await })
    };
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!waiting.is_finished());
    for node in cluster.nodes() {
        node.resume();
    }
    let guard = within(SOON, waiting)
        .await
        .expect("no panic")
        .expect("the nodes are back");
    guard.release().await.expect("released");
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

/// The last attempt has no time left for its replies. What earlier attempts saw still counts.
#[tokio::test]
async fn a10_a_held_lock_is_timed_out_even_if_the_last_attempt_is_cut_short() {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    let _guard = connect(&cluster)
        .await
        .lock(KEY)
        .ttl(LONG)
        .await
        .expect("free");
    let redlock = through(&proxies).connect().await.expect("all up");
    for proxy in &proxies {
        proxy.set(Direction::ToClient, Flow::delay(Duration::from_millis(30)));
    }
    for wait in (100..160).step_by(10).map(Duration::from_millis) {
        let error = redlock
            .lock(KEY)
            .ttl(LONG)
            .wait(wait)
            .await
            .expect_err("held");
        assert!(error.is_timed_out(), "a wait of {wait:?}: {error}");
    }
}

/// The quorum is that of five nodes, also for a client that reaches three of them.
#[tokio::test]
async fn a12_a_client_that_sees_three_of_five_needs_all_three() {
    let cluster = Cluster::start(5).await;
    let proxies = Proxy::before_all(&cluster).await;
    proxies[3].refuse(true);
    proxies[4].refuse(true);
    let narrow = through(&proxies).connect().await.expect("three of five");
    let wide = connect(&cluster).await;
    assert_eq!(narrow.quorum(), 3);

    let guard = narrow
        .lock(KEY)
        .ttl(LONG)
        .no_wait()
        .await
        .expect("three of five");
    assert_eq!(cluster.locked_on(KEY).await, [0, 1, 2]);
    assert!(
        wide.lock(KEY)
            .ttl(LONG)
            .no_wait()
            .await
            .expect_err("held on three of five")
            .is_busy()
    );
    guard.release().await.expect("released");
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;

    let _guard = wide.lock(KEY).ttl(LONG).no_wait().await.expect("free");
    assert!(
        narrow
            .lock(KEY)
            .ttl(LONG)
            .no_wait()
            .await
            .expect_err("held")
            .is_busy()
    );
}

/// Two of two connected nodes are no quorum of five, whatever other clients do meanwhile.
#[tokio::test]
async fn a12_a_client_that_sees_two_of_five_never_holds() {
    let cluster = Cluster::start(5).await;
    let proxies = Proxy::before_all(&cluster).await;
    let narrow = through(&proxies).connect().await.expect("all five");
    for proxy in &proxies[2..] {
        proxy.refuse(true);
        proxy.cut();
    }
    let wide = connect(&cluster).await;
    for _ in 0..5 {
        let error = narrow
            .lock(KEY)
            .ttl(LONG)
            .no_wait()
            .await
            .expect_err("two of five");
        assert!(error.is_no_quorum(), "{error}");
        let guard = wide
            .lock(KEY)
            .ttl(LONG)
            .wait(SOON)
            .await
            .expect("the other is not in the way");
        guard.release().await.expect("released");
    }
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;

    for proxy in &proxies {
        proxy.refuse(false);
    }
    narrow
        .lock(KEY)
        .ttl(LONG)
        .wait(SOON)
        .await
        .expect("all five again")
        .release()
        .await
        .expect("released");
}
