//! R2: nodes are down when the lock is released.

use std::time::Duration;

use tests::proxy::Proxy;
use tests::{Cluster, Logs, eventually, within};
use tokio::time::Instant;
use tracing::level_filters::LevelFilter;

use crate::support::{KEY, LONG, SOON, connect, through};

#[tokio::test]
async fn r2_the_bodys_result_survives_the_death_of_nodes() {
    for dead in [1, 2, 3] {
        let cluster = Cluster::start(3).await;
        let redlock = connect(&cluster).await;
        let logs = Logs::capture(LevelFilter::WARN);
        let start = Instant::now();
        let body = redlock.lock(KEY).ttl(LONG).run(async |_| {
            for node in &cluster.nodes()[..dead] {
                node.kill();
            }
            "paid"
        });
        let result = within(SOON, body).await;
        assert_eq!(result.expect("the body finished"), "paid");
        assert!(start.elapsed() < SOON);
        let events = logs.lines_with("release");
        assert_eq!(
            !events.is_empty(),
            dead >= 2,
            "with {dead} dead nodes:\n{}",
            logs.text()
        );
        eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
    }
}

#[tokio::test]
async fn r2_an_unconfirmed_release_is_reported_in_bounded_time_and_retried() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let guard = redlock.lock(KEY).ttl(LONG).await.expect("free");
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
    cluster.node(0).pause();
    cluster.node(1).pause();
    let start = Instant::now();
    let error = within(SOON, guard.release())
        .await
        .expect_err("one of three");
    assert!(error.is_no_quorum(), "{error}");
    assert_eq!(error.node_errors().len(), 2, "{error}");
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    assert!(cluster.locked_on(KEY).await.is_empty());
    cluster.node(0).resume();
    cluster.node(1).resume();
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

/// Retried over a new connection too, while the key lives.
#[tokio::test]
async fn r2_a_release_is_delivered_when_the_node_is_reachable_again() {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    let redlock = through(&proxies).connect().await.expect("all up");
    let guard = redlock.lock(KEY).ttl(LONG).await.expect("free");
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
    proxies[2].refuse(true);
    proxies[2].cut();
    guard.release().await.expect("two of three");
    eventually(SOON, async || cluster.locked_on(KEY).await == [2]).await;
    proxies[2].refuse(false);
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

#[tokio::test]
async fn r2_close_reports_undelivered_releases() {
    for deferred in [false, true] {
        let cluster = Cluster::start(3).await;
        let redlock = connect(&cluster).await;
        let guard = redlock.lock(KEY).ttl(LONG).await.expect("free");
        eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
        if deferred {
            cluster.node(0).kill();
        }
        guard.release().await.expect("two of three");
        let logs = Logs::capture(LevelFilter::WARN);
        within(SOON, redlock.close()).await;
        let events = logs.lines_with("undelivered");
        assert_eq!(!events.is_empty(), deferred, "{}", logs.text());
    }
}
