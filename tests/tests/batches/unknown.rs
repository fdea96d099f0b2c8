//! A call whose outcome is unknown: each of its commands may have been carried out.

use tests::proxy::{Direction, Flow, Proxy};

use super::{
    Cluster, LONG, all_free, connect, eventually, keys, lock_all, relay::Relay, release_all,
    try_all,
};

#[tokio::test]
async fn an_acquire_whose_reply_is_an_unknown_error_is_rolled_back() {
    let cluster = Cluster::start(1).await;
    let relay = Relay::before(cluster.node(0).address()).await;
    let redlock = connect(vec![relay.url()]).await;
    relay.exchange();
    for tried in try_all(&redlock, &keys()).await {
        let error = tried.expect_err("no vote");
        assert!(error.to_string().contains("SCRIPT KILL"), "{error}");
    }
    assert!(relay.has_exchanged());
    eventually(LONG, async || all_free(&cluster, &keys()).await).await;
}

#[tokio::test]
async fn a_release_whose_reply_is_an_unknown_error_is_sent_again() {
    let cluster = Cluster::start(1).await;
    let relay = Relay::before(cluster.node(0).address()).await;
    let redlock = connect(vec![relay.url()]).await;
    let guards = lock_all(&redlock, &keys()).await;
    let tokens: Vec<u64> = guards.iter().map(|guard| guard.token().get()).collect();
    relay.exchange();
    drop(guards);
    eventually(LONG, async || relay.has_exchanged()).await;
    eventually(LONG, async || all_free(&cluster, &keys()).await).await;
    for (guard, token) in lock_all(&redlock, &keys()).await.iter().zip(tokens) {
        assert!(guard.token().get() > token);
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_during_a_batch() {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    let redlock = connect(proxies.iter().map(Proxy::url).collect()).await;
    let keys = keys();
    for _ in 0..3 {
        for proxy in &proxies {
            proxy.set(Direction::ToClient, Flow::Hold);
        }
        let locks = keys
            .iter()
            .map(|key| redlock.lock(key).ttl(LONG).wait(LONG).into_future());
        let locks = tokio::spawn(futures_util::future::join_all(locks.collect::<Vec<_>>()));
        // Carried out everywhere, and the replies are on their way.
        eventually(LONG, async || {
            cluster.locked_on(&keys[0]).await.len() == 3
                && cluster.locked_on(&keys[19]).await.len() == 3
        })
        .await;
        for proxy in &proxies {
            proxy.cut();
            proxy.set(Direction::ToClient, Flow::PASS);
        }
        let guards = tests::within(LONG, locks).await.expect("no panic");
        let guards = guards
            .into_iter()
            .map(|guard| guard.expect("free after all"));
        release_all(guards.collect()).await;
        eventually(LONG, async || all_free(&cluster, &keys).await).await;
    }
}
