//! E1, E2, E6: nodes and connections that fail while a lease is extended.

use std::time::Duration;

use futures_util::future::join_all;
use redlock::Guard;
use tests::proxy::{Flow, Proxy};
use tests::{Cluster, eventually, within};
use tokio::time::{Instant, sleep};

use crate::support::{KEY, LONG, SOON, connect, through};

/// I4: the validity that the guard reports exists on a quorum of the nodes.
async fn assert_not_over_reported(cluster: &Cluster, guard: &Guard) {
    let start = Instant::now();
    let remaining = guard.remaining();
    let mut left = join_all(cluster.live().map(|node| node.pttl(KEY))).await;
    left.sort();
    let quorum = cluster.nodes().len() / 2 + 1;
    let backed = left
        .iter()
        .rev()
        .nth(quorum - 1)
        .copied()
        .flatten()
        .unwrap_or_default();
    assert!(
        remaining <= backed + start.elapsed(),
        "{remaining:?} reported, {left:?} on the nodes"
    );
}

#[tokio::test]
async fn e1_three_of_five_hang_while_a_lease_is_extended() {
    let cluster = Cluster::start(5).await;
    let redlock = connect(&cluster).await;
    let guard = redlock.lock(KEY).ttl(LONG).await.expect("free");
    eventually(SOON, async || cluster.locked_on(KEY).await.len() == 5).await;
    let until = Instant::now() + guard.remaining();
    for node in &cluster.nodes()[..3] {
        node.pause();
    }
    let hung = Instant::now();
    while hung.elapsed() < Duration::from_secs(1) {
        let error = within(SOON, guard.extend()).await.expect_err("two of five");
        assert!(error.is_no_quorum(), "{error}");
        assert!(!guard.is_lost(), "no answer is not a loss");
        assert!(
            Instant::now() + guard.remaining() <= until + Duration::from_millis(1),
            "raised without a quorum"
        );
    }
    for node in &cluster.nodes()[..3] {
        node.resume();
    }
    eventually(SOON, async || guard.extend().await.is_ok()).await;
    assert!(Instant::now() + guard.remaining() > until);
    assert_not_over_reported(&cluster, &guard).await;
    guard.release().await.expect("released");
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

/// The same by renewal, with a ttl that is much shorter than the outage.
#[tokio::test]
async fn e1_a_renewed_lease_survives_a_short_silence() {
    let cluster = Cluster::start(5).await;
    let redlock = connect(&cluster).await;
    let guard = redlock
        .lock(KEY)
        .ttl(Duration::from_secs(3))
        .keep_alive(true)
        .await
        .expect("free");
    for _ in 0..3 {
        for node in &cluster.nodes()[..3] {
            node.pause();
        }
        sleep(Duration::from_secs(1)).await;
        for node in &cluster.nodes()[..3] {
            node.resume();
        }
        sleep(Duration::from_millis(700)).await;
        assert!(!guard.is_lost());
        assert_not_over_reported(&cluster, &guard).await;
    }
}

#[tokio::test]
async fn e2_two_of_five_grants_are_not_held() {
    let cluster = Cluster::start(5).await;
    let redlock = connect(&cluster).await;
    cluster.node(0).pause();
    cluster.node(1).pause();
    let ttl = Duration::from_secs(2);
    let guard = redlock
        .lock(KEY)
        .ttl(ttl)
        .keep_alive(true)
        .await
        .expect("three of five");
    let until = Instant::now() + guard.remaining();
    cluster.node(2).kill();
    let error = within(SOON, guard.extend()).await.expect_err("two of five");
    assert!(error.is_no_quorum(), "{error}");
    let lost = guard.lost();
    within(ttl + SOON, lost).await;
    assert!(guard.is_lost());
    // The replies of the two live nodes did not raise it.
    assert!(
        Instant::now() < until + Duration::from_millis(500),
        "lost too late by {:?}",
        Instant::now() - until
    );
    cluster.node(0).resume();
    cluster.node(1).resume();
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

#[tokio::test]
async fn e6_transport_errors_during_renewal() {
    let ttl = Duration::from_millis(1500);
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    let redlock = through(&proxies).connect().await.expect("all up");
    let guard = redlock
        .lock(KEY)
        .ttl(ttl)
        .keep_alive(true)
        .await
        .expect("free");
    let start = Instant::now();
    let mut cuts = 0;
    while start.elapsed() < ttl * 3 {
        sleep(Duration::from_millis(400)).await;
        for proxy in &proxies {
            // The extension in flight is lost, and the connection with it.
            proxy.set_both(Flow::Lose);
        }
        sleep(Duration::from_millis(150)).await;
        for proxy in &proxies {
            proxy.cut();
            proxy.set_both(Flow::PASS);
        }
        cuts += 1;
        assert!(!guard.is_lost(), "lost after {cuts} cuts");
    }
    eventually(SOON, async || guard.extend().await.is_ok()).await;
    assert_not_over_reported(&cluster, &guard).await;
    guard.release().await.expect("released");
}
