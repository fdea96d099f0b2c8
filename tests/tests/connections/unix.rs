//! Unix sockets.

use redlock::{FaultKind, Redlock};
use tests::{Cluster, eventually};

use crate::support::{BOUND, KEY, assert_blames, contention, cycle, patient};

async fn works(cluster: &Cluster) {
    let one = patient(cluster.urls())
        .connect()
        .await
        .expect("three nodes");
    let other = patient(cluster.urls())
        .connect()
        .await
        .expect("three nodes");
    cycle(&one, &other, KEY).await;
    contention(&[one, other], "contended").await;
}

#[tokio::test]
async fn sockets() {
    let cluster = Cluster::builder(3).unix_sockets().start().await;
    assert!(cluster.urls()[0].contains("unix://"));
    works(&cluster).await;
}

#[tokio::test]
async fn with_a_password() {
    works(
        &Cluster::builder(3)
            .unix_sockets()
            .password("s3cret")
            .start()
            .await,
    )
    .await;
}

#[tokio::test]
async fn a_server_that_comes_back() {
    let cluster = Cluster::builder(3).unix_sockets().start().await;
    let redlock = patient(cluster.urls())
        .connect()
        .await
        .expect("three nodes");
    cluster.node(0).kill();
    eventually(BOUND, async || redlock.health().await[0].latency.is_none()).await;
    let guard = redlock.lock(KEY).await.expect("two of three");
    cluster.node(0).start().await;
    eventually(BOUND, async || redlock.health().await[0].latency.is_some()).await;
    guard.release().await.expect("released");
}

#[tokio::test]
async fn no_socket_there() {
    let error = Redlock::connect(["unix:///nowhere/redis.sock"])
        .await
        .expect_err("no such file");
    assert_blames(
        &error,
        "/nowhere/redis.sock",
        FaultKind::Unreachable,
        &["No such file"],
    );
}
