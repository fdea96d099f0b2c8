//! The identity of nodes: each server votes once, a replica never, and a server that may evict causes a warning.

use redlock::{Error, ErrorKind, Redlock};
use tests::{Cluster, Logs, eventually};
use tracing::level_filters::LevelFilter;

use crate::support::{BOUND, KEY};

/// Refused, and the error names both addresses.
#[track_caller]
fn assert_names(error: &Error, addresses: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::InvalidNodes, "{error}");
    for address in addresses {
        assert!(
            error.to_string().contains(address),
            "{address} is not in {error}"
        );
    }
}

#[tokio::test]
async fn one_server_by_its_name_and_its_address() {
    let cluster = Cluster::start(2).await;
    let port = cluster.node(0).port();
    let urls = [cluster.urls(), vec![format!("redis://localhost:{port}")]].concat();
    let error = Redlock::connect(urls)
        .await
        .expect_err("two of three are one");
    assert_names(
        &error,
        &[&format!("127.0.0.1:{port}"), &format!("localhost:{port}")],
    );
}

#[tokio::test]
async fn one_server_by_tcp_and_by_its_socket() {
    let cluster = Cluster::builder(2).unix_sockets().start().await;
    let (socket, tcp) = (cluster.urls()[0].clone(), cluster.node(0).address());
    let urls = [cluster.urls(), vec![format!("redis://{tcp}")]].concat();
    let error = Redlock::connect(urls)
        .await
        .expect_err("two of three are one");
    let (_, path) = socket.split_once("://").expect("a scheme");
    assert_names(&error, &[&tcp.to_string(), path]);
}

/// Known from the addresses alone.
#[tokio::test]
async fn one_server_twice_in_the_list() {
    let cluster = Cluster::start(2).await;
    let address = cluster.node(0).address();
    for twin in [
        format!("redis://{address}"),
        format!("redis://{address}/7"),
        format!("redis://user:password@{address}"),
    ] {
        let urls = [cluster.urls(), vec![twin]].concat();
        let error = Redlock::connect_lazy(urls).expect_err("two of three are one");
        assert_names(&error, &[&address.to_string(), "1", "3"]);
    }
}

#[tokio::test]
async fn a_replica() {
    let cluster = Cluster::start(3).await;
    let (master, replica) = (cluster.node(0), cluster.node(2));
    let () = replica
        .ask(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(master.port()))
        .await;
    let error = Redlock::connect(cluster.urls())
        .await
        .expect_err("a replica");
    assert_names(
        &error,
        &[
            &replica.address().to_string(),
            &master.address().to_string(),
        ],
    );
}

/// A node that becomes a replica while a client is connected loses its vote, and gets it back when it is promoted.
#[tokio::test]
async fn a_node_that_becomes_a_replica() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let (master, node) = (cluster.node(0), cluster.node(2));
    let () = node
        .ask(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(master.port()))
        .await;
    // It is noticed when it refuses a write.
    eventually(BOUND, async || {
        redlock
            .lock(KEY)
            .await
            .expect("two of three")
            .release()
            .await
            .expect("released");
        let health = redlock.health().await;
        format!("{:?}", health[2].state).contains("replica")
    })
    .await;
    let () = node.ask(redis::cmd("REPLICAOF").arg("NO").arg("ONE")).await;
    // Some commands of operators close the connections of others; here the client has to notice by itself.
    let _: u64 = node
        .ask(
            redis::cmd("CLIENT")
                .arg("KILL")
                .arg("TYPE")
                .arg("normal")
                .arg("SKIPME")
                .arg("yes"),
        )
        .await;
    eventually(BOUND, async || {
        let health = redlock.health().await;
        !format!("{:?}", health[2].state).contains("Down")
    })
    .await;
}

#[tokio::test]
async fn a_server_that_may_evict_is_warned_about() {
    let logs = Logs::capture(LevelFilter::WARN);
    let cluster = Cluster::builder(3)
        .arg(["--maxmemory-policy", "allkeys-lru"])
        .start()
        .await;
    let redlock = Redlock::connect(cluster.urls())
        .await
        .expect("it works all the same");
    let _ = redlock.lock(KEY).await.expect("free");
    let warnings = logs.lines_with("allkeys-lru");
    assert_eq!(warnings.len(), 3, "{}", logs.text());
    for node in cluster.nodes() {
        let name = node.address().to_string();
        let warning = warnings.iter().find(|line| line.contains(&name));
        assert!(
            warning.is_some_and(|line| line.contains("noeviction")),
            "{warnings:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_evict_causes_no_warning() {
    let logs = Logs::capture(LevelFilter::WARN);
    let cluster = Cluster::start(3).await;
    let _redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    assert_eq!(logs.lines_with("evict"), Vec::<String>::new());
}
