//! A release that a node answers with an error is no release: it is sent again.

use std::time::Duration;

use redlock::Redlock;
use tests::{Cluster, eventually};

use super::{LONG, SOON, connect};

async fn set(cluster: &Cluster, setting: &str, value: &str) {
    for node in cluster.nodes() {
        let mut command = redis::cmd("CONFIG");
        let () = node.ask(command.arg("SET").arg(setting).arg(value)).await;
    }
}

/// Holds a lock, has all nodes refuse what writes, and lets go.
async fn released_meanwhile(cluster: &Cluster, redlock: &Redlock, window: Option<Duration>) {
    let guard = redlock.lock("k:1").ttl(LONG).await.expect("free");
    eventually(SOON, async || cluster.locked_on("k:1").await.len() == 3).await;
    set(cluster, "min-replicas-to-write", "1").await;
    let ended = match window {
        None => guard.release().await,
        Some(window) => guard.cool_down(window).await,
    };
    assert!(ended.expect_err("NOREPLICAS").is_no_quorum());
    set(cluster, "min-replicas-to-write", "0").await;
}

#[tokio::test]
async fn f6_a_release_that_is_answered_by_an_error_is_sent_again() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    released_meanwhile(&cluster, &redlock, None).await;
    eventually(LONG / 2, async || cluster.locked_on("k:1").await.is_empty()).await;
}

#[tokio::test]
async fn f6_a_cool_down_that_is_answered_by_an_error_is_sent_again() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let window = Duration::from_secs(2);
    released_meanwhile(&cluster, &redlock, Some(window)).await;
    // For the window, and not for the ttl.
    eventually(LONG / 2, async || cluster.locked_on("k:1").await.is_empty()).await;
}

#[tokio::test]
async fn f6_closing_counts_what_was_answered_by_errors() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let guard = redlock.lock("k:1").ttl(LONG).await.expect("free");
    eventually(SOON, async || cluster.locked_on("k:1").await.len() == 3).await;
    set(&cluster, "min-replicas-to-write", "1").await;
    drop(guard);
    assert_eq!(redlock.close().await, 3, "one for each node");
    set(&cluster, "min-replicas-to-write", "0").await;
    eventually(LONG / 2, async || cluster.locked_on("k:1").await.is_empty()).await;
}
