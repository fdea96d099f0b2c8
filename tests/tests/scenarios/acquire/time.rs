//! A8: without time left there is no grant.

use std::future::IntoFuture;
use std::time::Duration;

use futures_util::future::poll_immediate;
use redlock::{ErrorKind, Redlock};
use tests::proxy::{Direction, Flow, Proxy};
use tests::{Cluster, eventually};

use crate::support::{KEY, LONG, SOON, connect};

#[tokio::test]
async fn a8_a_ttl_that_leaves_nothing_is_a_typed_error() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    for ttl in [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_millis(1),
        Duration::MAX,
    ] {
        let error = redlock.lock(KEY).ttl(ttl).await.expect_err("not a ttl");
        assert_eq!(error.kind(), ErrorKind::InvalidTtl, "{error}");
        for node in cluster.nodes() {
            assert!(node.keys().await.is_empty(), "nothing was sent");
        }
    }
    // The largest ttl that is allowed, and what is deducted for drift.
    let max = Duration::from_secs(60);
    let guard = redlock.lock(KEY).ttl(max).await.expect("max_ttl itself");
    assert!(
        guard.remaining() <= max - max / 100,
        "{:?}",
        guard.remaining()
    );
    guard.release().await.expect("released");
}

/// With any ttl, and however slow the nodes are: a guard with time left, or an error and no keys.
#[tokio::test]
async fn a8_slow_nodes_and_short_ttls() {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    let redlock = Redlock::connect(proxies.iter().map(Proxy::url))
        .await
        .expect("all up");
    // One-time work, such as loading scripts, is done now.
    let warm = redlock.lock("warm-up").ttl(LONG).await.expect("free");
    eventually(SOON, async || {
        cluster.locked_on("warm-up").await == [0, 1, 2]
    })
    .await;
    warm.release().await.expect("released");
    eventually(SOON, async || cluster.locked_on("warm-up").await.is_empty()).await;
    let (mut granted, mut refused) = (0, 0);
    for delay in [0, 5, 20, 60, 120] {
        for proxy in &proxies {
            proxy.set(
                Direction::ToClient,
                Flow::delay(Duration::from_millis(delay)),
            );
        }
        for ttl in [4, 10, 40, 100, 400].map(Duration::from_millis) {
            match redlock.lock(KEY).ttl(ttl).no_wait().await {
                Ok(guard) => {
                    let remaining = guard.remaining();
                    let spent = Duration::from_millis(delay) + ttl / 100 + Duration::from_millis(2);
                    assert!(
                        remaining <= ttl.saturating_sub(spent),
                        "{remaining:?} of {ttl:?} after {spent:?}"
                    );
                    assert!(
                        remaining > Duration::ZERO || guard.is_lost(),
                        "a guard with nothing left says it is lost"
                    );
                    granted += 1;
                    let _ = guard.release().await;
                }
                Err(error) => {
                    assert!(
                        error.is_no_quorum()
                            || error.is_expired()
                            || error.kind() == ErrorKind::InvalidTtl,
                        "{error}"
                    );
                    refused += 1;
                }
            }
            eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
        }
    }
    assert!(
        granted > 0 && refused > 0,
        "{granted} granted, {refused} refused: not the edge that was meant"
    );
}

/// All nodes granted it, but the client was paused for too long to see that in time.
#[tokio::test]
async fn a8_replies_after_the_validity_grant_nothing() {
    let ttl = Duration::from_millis(400);
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    redlock
        .lock("warm-up")
        .ttl(LONG)
        .await
        .expect("free")
        .release()
        .await
        .expect("released");
    for node in cluster.nodes() {
        node.pause();
    }
    let acquire = tokio::spawn(async move { redlock.lock(KEY).ttl(ttl).no_wait().await });
    // Sent, to nodes that hang.
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(!acquire.is_finished());
    for node in cluster.nodes() {
        node.resume();
    }
    // They reply at once, and this whole runtime stalls, as on an overloaded machine.
    std::thread::sleep(ttl + Duration::from_millis(50));
    let error = acquire
        .await
        .expect("no panic")
        .expect_err("nothing is left of it");
    assert!(error.is_expired() || error.is_no_quorum(), "{error}");
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

/// All votes arrived in time, but the future was not polled meanwhile.
#[tokio::test]
async fn a8_a_future_that_is_polled_again_too_late_grants_nothing() {
    let ttl = Duration::from_millis(200);
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let mut acquire = redlock.lock(KEY).ttl(ttl).no_wait().into_future();
    assert!(
        poll_immediate(&mut acquire).await.is_none(),
        "sent, and not answered yet"
    );
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
    tokio::time::sleep(ttl).await;
    let error = acquire.await.expect_err("nothing is left of it");
    assert!(error.is_expired(), "{error}");
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}
