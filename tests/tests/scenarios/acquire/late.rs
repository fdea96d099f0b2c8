//! A5, A6, A7: what a node does after the client has moved on.

use redlock::Redlock;
use tests::proxy::{Direction, Flow, Proxy};
use tests::{Cluster, eventually, within};

use crate::support::{FENCE, KEY, LONG, SOON, held_by_another, through};

const LATER: &str = "later";

/// Three nodes, the last of them behind a proxy.
async fn last_behind_a_proxy() -> (Cluster, Proxy, Redlock) {
    let cluster = Cluster::start(3).await;
    let proxy = Proxy::before(cluster.node(2)).await;
    let mut urls = cluster.urls();
    urls[2] = proxy.url();
    let redlock = Redlock::builder()
        .nodes(urls)
        .node_timeout(SOON)
        .connect()
        .await
        .expect("all up");
    // One-time work of each connection is done now.
    warm_up(&cluster, &redlock).await;
    (cluster, proxy, redlock)
}

async fn warm_up(cluster: &Cluster, redlock: &Redlock) {
    let guard = redlock.lock("warm-up").ttl(LONG).await.expect("free");
    eventually(SOON, async || {
        cluster.locked_on("warm-up").await.len() == cluster.nodes().len()
    })
    .await;
    guard.extend().await.expect("held");
    guard.release().await.expect("released");
    eventually(SOON, async || cluster.locked_on("warm-up").await.is_empty()).await;
}

#[tokio::test]
async fn a5_the_reply_is_late_after_a_success() {
    let (cluster, proxy, redlock) = last_behind_a_proxy().await;
    proxy.set(Direction::ToClient, Flow::Hold);
    let guard = redlock
        .lock(KEY)
        .ttl(LONG)
        .no_wait()
        .await
        .expect("two of three");
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
    guard.release().await.expect("released by a quorum");
    // The same while its replies are still held back.
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
    proxy.set(Direction::ToClient, Flow::PASS);
    let guard = redlock.lock(KEY).ttl(LONG).no_wait().await.expect("free");
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
    guard.release().await.expect("released");
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

#[tokio::test]
async fn a5_the_reply_is_late_after_a_failure() {
    let (cluster, proxy, redlock) = last_behind_a_proxy().await;
    held_by_another(cluster.node(0), KEY).await;
    held_by_another(cluster.node(1), KEY).await;
    proxy.set(Direction::ToClient, Flow::Hold);
    let error = redlock
        .lock(KEY)
        .ttl(LONG)
        .no_wait()
        .await
        .expect_err("held on two of three");
    assert!(error.is_busy(), "{error}");
    // It has been applied there, and its reply is held back.
    eventually(SOON, async || cluster.node(2).exists(FENCE).await).await;
    eventually(SOON, async || proxy.held(Direction::ToClient) > 0).await;
    proxy.set(Direction::ToClient, Flow::PASS);
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1]).await;
}

#[tokio::test]
async fn a5_the_reply_is_late_after_the_caller_dropped_the_future() {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    let redlock = through(&proxies).connect().await.expect("all up");
    warm_up(&cluster, &redlock).await;
    for late in [false, true] {
        for proxy in &proxies {
            proxy.set(Direction::ToClient, Flow::Hold);
        }
        let acquire = {
            let redlock = redlock.clone();
            tokio::spawn(async move { redlock.lock(KEY).ttl(LONG).await })
        };
        eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
        acquire.abort();
        assert!(acquire.await.expect_err("dropped").is_cancelled());
        if late {
            // Dropped first, and the replies arrive later.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        for proxy in &proxies {
            proxy.set(Direction::ToClient, Flow::PASS);
        }
        eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
    }
}

/// The worst delivery: the acquire is held back, the client is cut off, reconnects and releases; then the acquire arrives.
async fn deliver_after_the_release(fencing: bool) -> Cluster {
    let (cluster, proxy, redlock) = last_behind_a_proxy().await;
    proxy.set(Direction::ToServer, Flow::Hold);
    let guard = redlock
        .lock(KEY)
        .ttl(LONG)
        .fencing(fencing)
        .no_wait()
        .await
        .expect("two of three");
    eventually(SOON, async || proxy.held(Direction::ToServer) > 0).await;
    let held = proxy.held(Direction::ToServer);
    proxy.cut_client_side();
    proxy.set(Direction::ToServer, Flow::PASS);
    guard.release().await.expect("released by a quorum");
    if fencing {
        eventually(SOON, async || cluster.node(2).exists(FENCE).await).await;
    } else {
        redlock.close().await;
    }
    assert_eq!(
        proxy.held(Direction::ToServer),
        held,
        "the acquire is still on its way"
    );
    assert!(cluster.locked_on(KEY).await.is_empty());

    proxy.deliver();
    // The old connection ends when the server has read it to its end.
    eventually(SOON, async || {
        proxy.held(Direction::ToServer) == 0 && proxy.open() <= 1
    })
    .await;
    cluster
}

#[tokio::test]
async fn a6_the_acquire_arrives_after_the_release() {
    let cluster = deliver_after_the_release(true).await;
    assert!(
        cluster.locked_on(KEY).await.is_empty(),
        "an orphan for {:?}",
        cluster.node(2).pttl(KEY).await
    );
}

/// Proof that the delivery above is one, and that the tombstone is needed: without fencing, the orphan stays for a ttl.
#[tokio::test]
async fn a6_without_fencing_the_orphan_stays() {
    let cluster = deliver_after_the_release(false).await;
    assert_eq!(cluster.locked_on(KEY).await, [2]);
    let left = cluster.node(2).pttl(KEY).await.expect("it ends on its own");
    assert!(left <= LONG);
}

/// A release uses the connections of the runtime that it is called in, so it can overtake the acquire. Without fencing no
/// tombstone bars the acquire then: a second release follows it on its own connection.
#[tokio::test]
async fn a6_a_release_from_another_runtime_overtakes_the_acquire() {
    let (cluster, proxy, redlock) = last_behind_a_proxy().await;
    proxy.set_established(Flow::Hold);
    let guard = redlock.lock(KEY).ttl(LONG).fencing(false).no_wait();
    let guard = guard.await.expect("two of three");
    eventually(SOON, async || proxy.held(Direction::ToServer) > 0).await;
    let (delivered, until) = tokio::sync::oneshot::channel::<()>();
    let client = redlock.clone();
    let elsewhere = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            guard.release().await.expect("released by a quorum");
            let _later = client.lock(LATER).ttl(LONG).await.expect("free");
            let _ = until.await;
        });
    });
    // What follows the release on the connections of the other runtime has come, and the acquire has not.
    eventually(SOON, async || cluster.locked_on(LATER).await == [0, 1, 2]).await;
    assert!(cluster.locked_on(KEY).await.is_empty());
    assert!(proxy.held(Direction::ToServer) > 0, "it is still held");
    proxy.set_established(Flow::PASS);
    eventually(SOON, async || proxy.held(Direction::ToServer) == 0).await;
    // The next lock, on the same connection, proves that the server has read all of it.
    let next = redlock.lock(KEY).ttl(LONG).wait(SOON).await.expect("free");
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
    next.release().await.expect("released");
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
    drop(delivered);
    elsewhere.join().expect("no panic");
}

/// The same on one connection: the node hangs during acquire and release, and then processes both.
#[tokio::test]
async fn a6_a_node_that_hung_through_acquire_and_release() {
    let cluster = Cluster::start(3).await;
    let redlock = crate::support::connect(&cluster).await;
    warm_up(&cluster, &redlock).await;
    for _ in 0..5 {
        cluster.node(2).pause();
        let guard = redlock
            .lock(KEY)
            .ttl(LONG)
            .no_wait()
            .await
            .expect("two of three");
        guard.release().await.expect("released by a quorum");
        cluster.node(2).resume();
        // The hung node has the fence once it has processed its buffers.
        eventually(SOON, async || cluster.node(2).exists(FENCE).await).await;
        eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
        let () = cluster.node(2).ask(redis::cmd("DEL").arg(FENCE)).await;
    }
}

#[tokio::test]
async fn a7_the_connection_is_reset_before_the_reply() {
    let (cluster, proxy, redlock) = last_behind_a_proxy().await;
    // The vote of the last node decides.
    held_by_another(cluster.node(1), KEY).await;
    proxy.set(Direction::ToClient, Flow::Hold);
    let trying = {
        let redlock = redlock.clone();
        tokio::spawn(async move { redlock.lock(KEY).ttl(LONG).no_wait().await })
    };
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
    assert!(!trying.is_finished(), "it waits for the reply");
    proxy.cut();
    let error = within(SOON * 4, trying)
        .await
        .expect("no panic")
        .expect_err("a vote that nobody heard is none");
    assert!(error.is_busy() || error.is_no_quorum(), "{error}");
    proxy.set(Direction::ToClient, Flow::PASS);
    eventually(SOON, async || cluster.locked_on(KEY).await == [1]).await;
}
