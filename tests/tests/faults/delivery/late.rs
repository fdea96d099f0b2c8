//! A node that was silent for longer than a ttl carries out the commands in its buffers. The release is carried out after
//! them.

use std::time::Duration;

use futures_util::future::join_all;
use redlock::{Redlock, memory};
use tests::proxy::{Direction, Flow, Proxy};
use tests::{Cluster, eventually, within};
use tokio::time::{Instant, sleep};

use super::{BOUND, LONG, SOON, connect, locks_on};

const TTL: Duration = Duration::from_secs(4);

/// Waits until no lock is held, and returns how long that took.
async fn free_after(cluster: &Cluster) -> Duration {
    let since = Instant::now();
    eventually(BOUND, async || locks_on(cluster).await == 0).await;
    since.elapsed()
}

/// A request after which paused nodes count as silent while later requests are in flight: the rollbacks of those are
/// deferred.
async fn silent_soon(redlock: &Redlock) {
    let redlock = redlock.clone();
    tokio::spawn(async move { redlock.try_lock("first").await });
    sleep(Duration::from_millis(150)).await;
}

#[tokio::test]
async fn f34_requests_that_a_silent_node_carries_out_late_leave_no_keys() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    for node in &cluster.nodes()[..2] {
        node.pause();
    }
    silent_soon(&redlock).await;
    let attempts = (0..50).map(async |i| {
        let attempt = redlock.lock(format!("k:{i}")).ttl(TTL).no_wait().await;
        attempt.expect_err("two of three are silent");
    });
    within(BOUND, join_all(attempts)).await;
    sleep(TTL + Duration::from_millis(500)).await;
    for node in &cluster.nodes()[..2] {
        node.resume();
    }
    // A lock of a buffered acquire would last for a ttl from now on.
    let took = free_after(&cluster).await;
    assert!(took < TTL * 3 / 4, "{took:?}");
}

#[tokio::test]
async fn f34_an_extension_that_a_silent_node_carries_out_late_leaves_no_key() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let guard = redlock.lock("k:1").ttl(TTL).await.expect("free");
    eventually(SOON, async || cluster.locked_on("k:1").await.len() == 3).await;
    for node in &cluster.nodes()[..2] {
        node.pause();
    }
    silent_soon(&redlock).await;
    guard.extend().await.expect_err("two of three are silent");
    drop(guard);
    sleep(TTL + Duration::from_millis(500)).await;
    for node in &cluster.nodes()[..2] {
        node.resume();
    }
    let took = free_after(&cluster).await;
    assert!(took < TTL * 3 / 4, "{took:?}");
}

#[tokio::test]
async fn f34_an_acquire_that_the_network_delivers_after_its_ttl_is_stale() {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    let redlock = Redlock::connect(proxies.iter().map(Proxy::url))
        .await
        .expect("all up");
    drop(redlock.lock("warm-up").await.expect("free"));
    let ttl = Duration::from_secs(1);
    for proxy in &proxies {
        proxy.set_both(Flow::Hold);
    }
    let attempt = redlock.lock("k:1").ttl(ttl).no_wait().await;
    attempt.expect_err("the network is cut");
    for proxy in &proxies {
        eventually(SOON, async || proxy.held(Direction::ToServer) > 0).await;
        proxy.cut_client_side();
    }
    sleep(ttl * 2).await;
    // The partition heals. The commands in flight arrive last.
    for proxy in &proxies {
        proxy.set_both(Flow::PASS);
    }
    eventually(SOON, async || redlock.try_lock("other").await.is_ok()).await;
    for node in cluster.nodes() {
        eventually(SOON, async || node.exists("{k:1}{}:fence").await).await;
    }
    for proxy in &proxies {
        proxy.deliver();
    }
    for proxy in &proxies {
        // The old connection ends when all of them have been delivered.
        eventually(SOON, async || proxy.open() == 1).await;
    }
    assert_eq!(cluster.locked_on("k:1").await, [0_usize; 0]);
}

#[tokio::test]
async fn f34_a_cool_down_that_arrives_after_its_window_has_no_effect() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let window = Duration::from_secs(2);
    let guard = redlock.lock("k:1").ttl(LONG).await.expect("free");
    eventually(SOON, async || cluster.locked_on("k:1").await.len() == 3).await;
    for node in cluster.nodes() {
        node.pause();
    }
    // Silent before the cool-down is sent, so that the cool-down is deferred.
    redlock.try_lock("k:2").await.expect_err("all are silent");
    // The attempt ends at the moment when its connections are blocked.
    sleep(Duration::from_millis(100)).await;
    guard.cool_down(window).await.expect_err("all are silent");
    sleep(window).await;
    for node in cluster.nodes() {
        node.resume();
    }
    // Otherwise for a window from now on, or for the rest of the ttl.
    let took = free_after(&cluster).await;
    assert!(took < window * 3 / 4, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn f34_nodes_in_memory_behave_the_same() {
    let nodes = memory::Nodes::seeded(3, 1);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("all up");
    let ttl = Duration::from_millis(1_500);
    for node in &nodes.nodes()[..2] {
        node.hang();
    }
    for i in 0..50 {
        let attempt = redlock.lock(format!("k:{i}")).ttl(ttl).no_wait().await;
        attempt.expect_err("two of three hang");
    }
    sleep(Duration::from_secs(4)).await;
    for node in &nodes.nodes()[..2] {
        node.resume();
    }
    // Connecting again takes up to a second, and a late acquire would last for its ttl.
    sleep(Duration::from_millis(1_200)).await;
    for node in nodes.nodes() {
        let locks: Vec<String> = node.keys();
        let locks = locks.iter().filter(|key| key.starts_with("k:"));
        assert_eq!(locks.count(), 0);
    }
}
