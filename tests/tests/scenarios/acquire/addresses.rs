//! A13: one server must not vote twice, and a replica not at all.

use redlock::{Error, ErrorKind, Redlock};
use tests::proxy::Proxy;
use tests::{Cluster, eventually};

use crate::support::SOON;

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
async fn a13_one_server_under_two_names() {
    let cluster = Cluster::start(2).await;
    let port = cluster.node(0).port();
    let mut urls = cluster.urls();
    urls.push(format!("redis://localhost:{port}"));
    let error = Redlock::connect(urls)
        .await
        .expect_err("two of three are one");
    assert_names(
        &error,
        &[&format!("127.0.0.1:{port}"), &format!("localhost:{port}")],
    );
}

#[tokio::test]
async fn a13_one_server_behind_another_address() {
    let cluster = Cluster::start(2).await;
    let proxy = Proxy::before(cluster.node(0)).await;
    let behind = proxy.url();
    let error = Redlock::connect([cluster.urls(), vec![behind.clone()]].concat())
        .await
        .expect_err("one server twice");
    let plain = |url: &str| url.trim_start_matches("redis://").to_owned();
    assert_names(&error, &[&plain(&cluster.urls()[0]), &plain(&behind)]);
}

#[tokio::test]
async fn a13_a_replica_listed_as_a_node() {
    let cluster = Cluster::start(3).await;
    let (master, replica) = (cluster.node(0), cluster.node(2));
    let () = master
        .ask(
            redis::cmd("CONFIG")
                .arg("SET")
                .arg("repl-diskless-sync-delay")
                .arg(0),
        )
        .await;
    let () = replica
        .ask(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(master.port()))
        .await;
    eventually(SOON, async || {
        let info: String = replica.ask(redis::cmd("INFO").arg("replication")).await;
        info.contains("master_link_status:up")
    })
    .await;
    let error = Redlock::connect(cluster.urls())
        .await
        .expect_err("a replica has no vote of its own");
    assert_names(
        &error,
        &[
            &format!("127.0.0.1:{}", replica.port()),
            &format!("127.0.0.1:{}", master.port()),
        ],
    );
}

/// Noticed later: the duplicate has no vote.
#[tokio::test]
async fn a13_a_duplicate_that_is_found_after_connecting_has_no_vote() {
    let cluster = Cluster::start(2).await;
    let away = Proxy::before(cluster.node(0)).await;
    away.refuse(true);
    let redlock = Redlock::connect([cluster.urls(), vec![away.url()]].concat())
        .await
        .expect("two of three");
    away.refuse(false);
    cluster.node(1).kill();
    // One server under two addresses is left: that is no quorum of three.
    for _ in 0..20 {
        let tried = redlock.lock("k").no_wait().await;
        assert!(tried.expect_err("one server of three").is_no_quorum());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
