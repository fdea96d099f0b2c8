//! R4: a release while an extension is in flight.

use std::time::Duration;

use tests::proxy::{Direction, Flow, Proxy};
use tests::{Cluster, eventually};

use crate::support::{FENCE, KEY, LONG, SOON, all_delivered, evals, through};

/// The extension is held back on its way to one node, the client is cut off, reconnects and releases; then the extension
/// arrives.
#[tokio::test]
async fn r4_an_extension_arrives_after_the_release() {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    let redlock = through(&proxies).connect().await.expect("all up");
    let warm = redlock.lock("warm-up").ttl(LONG).await.expect("free");
    warm.extend().await.expect("held");
    warm.release().await.expect("released");
    let guard = redlock.lock(KEY).ttl(LONG).await.expect("free");
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;

    let proxy = &proxies[2];
    proxy.set(Direction::ToServer, Flow::Hold);
    guard.extend().await.expect("two of three");
    eventually(SOON, async || proxy.held(Direction::ToServer) > 0).await;
    proxy.cut_client_side();
    proxy.set(Direction::ToServer, Flow::PASS);
    guard.release().await.expect("two of three");
    // Sent over the new connection; the fence that stays is the tombstone.
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
    assert!(cluster.node(2).exists(FENCE).await);
    assert!(
        proxy.held(Direction::ToServer) > 0,
        "the extension is still on its way"
    );

    let before = evals(cluster.node(2)).await;
    proxy.deliver();
    eventually(SOON, async || {
        proxy.held(Direction::ToServer) == 0 && proxy.open() <= 1
    })
    .await;
    assert!(
        evals(cluster.node(2)).await > before,
        "it was delivered, and the node ran it"
    );
    assert!(
        cluster.locked_on(KEY).await.is_empty(),
        "an extension re-created the key"
    );
}

/// Many times, at each moment of the extension.
#[tokio::test]
async fn r4_a_release_while_an_extension_is_in_flight() {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    for (proxy, ms) in proxies.iter().zip([2, 5, 9]) {
        proxy.set_both(Flow::delay(Duration::from_millis(ms)));
    }
    let redlock = through(&proxies).connect().await.expect("all up");
    for ms in 0..20 {
        let guard = redlock.lock(KEY).ttl(LONG).wait(SOON).await.expect("free");
        let extending = tokio::time::timeout(Duration::from_millis(ms), guard.extend());
        let _ = extending.await;
        guard.release().await.expect("released");
        all_delivered(&cluster, &redlock).await;
        assert!(
            cluster.locked_on(KEY).await.is_empty(),
            "after {ms} ms of extending"
        );
    }
}
