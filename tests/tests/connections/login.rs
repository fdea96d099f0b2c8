//! Users, passwords and databases in the URL.

use redlock::{FaultKind, Redlock};
use tests::{Cluster, eventually};

use crate::support::{BOUND, KEY, LONG, assert_blames, blamed, cycle, patient};

/// The addresses of all nodes with `login` before them, and `path` behind.
fn urls(cluster: &Cluster, login: &str, path: &str) -> Vec<String> {
    let nodes = cluster.nodes().iter();
    nodes
        .map(|node| format!("redis://{login}{}{path}", node.address()))
        .collect()
}

async fn user(cluster: &Cluster, name: &str, password: &str) {
    for node in cluster.nodes() {
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg(name).arg("on");
        command
            .arg(format!(">{password}"))
            .arg("~*")
            .arg("&*")
            .arg("+@all");
        let () = node.ask(&command).await;
    }
}

async fn works(urls: &[String]) {
    let one = patient(urls).connect().await.expect("three nodes");
    let other = patient(urls).connect().await.expect("three nodes");
    cycle(&one, &other, KEY).await;
}

#[tokio::test]
async fn a_user_and_a_password() {
    let cluster = Cluster::start(3).await;
    user(&cluster, "locker", "s3cret").await;
    works(&urls(&cluster, "locker:s3cret@", "")).await;
}

/// Characters with a meaning in a URL are percent-encoded.
#[tokio::test]
async fn a_password_with_special_characters() {
    let cluster = Cluster::start(3).await;
    user(&cluster, "lo:ck", "a:b@c/d%e?f").await;
    works(&urls(&cluster, "lo%3Ack:a%3Ab%40c%2Fd%25e%3Ff@", "")).await;
}

#[tokio::test]
async fn a_password_only() {
    let cluster = Cluster::builder(3).password("s3cret").start().await;
    works(&urls(&cluster, ":s3cret@", "")).await;
}

#[tokio::test]
async fn a_wrong_password() {
    let cluster = Cluster::builder(3).password("s3cret").start().await;
    user(&cluster, "locker", "s3cret").await;
    for login in [":wr0ng@", "locker:wr0ng@", "nobody:s3cret@"] {
        let error = Redlock::connect(urls(&cluster, login, ""))
            .await
            .expect_err("a wrong password");
        for node in cluster.nodes() {
            let name = node.address().to_string();
            assert_blames(&error, &name, FaultKind::Authentication, &["WRONGPASS"]);
            assert_eq!(blamed(&error, &name).node(), name);
        }
        for secret in ["wr0ng", "s3cret"] {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(secret), "{secret} is shown: {shown}");
        }
    }
}

#[tokio::test]
async fn no_password() {
    let cluster = Cluster::builder(3).password("s3cret").start().await;
    let error = Redlock::connect(urls(&cluster, "", ""))
        .await
        .expect_err("no password");
    let name = cluster.node(0).address().to_string();
    assert_blames(&error, &name, FaultKind::Authentication, &["NOAUTH"]);
}

/// A password for a server without one: the server refuses, and the error says why.
#[tokio::test]
async fn a_password_for_a_server_without_one() {
    let cluster = Cluster::start(1).await;
    let error = Redlock::connect(urls(&cluster, ":s3cret@", "")).await;
    // Redis accepts any password for a default user without one.
    let redlock = error.expect("the default user needs none");
    let guard = redlock.lock(KEY).await.expect("free");
    guard.release().await.expect("released");
}

#[tokio::test]
async fn a_database() {
    let cluster = Cluster::start(3).await;
    let third = patient(urls(&cluster, "", "/3"))
        .connect()
        .await
        .expect("three nodes");
    let other = patient(urls(&cluster, "", "/3"))
        .connect()
        .await
        .expect("three nodes");
    cycle(&third, &other, KEY).await;

    // Another database has other locks.
    let _held = third.lock(KEY).ttl(LONG).await.expect("free");
    let first = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let guard = first
        .lock(KEY)
        .ttl(LONG)
        .no_wait()
        .await
        .expect("free there");
    assert_eq!(cluster.locked_on(KEY).await, [0, 1, 2]);
    guard.release().await.expect("released");
    eventually(BOUND, async || cluster.locked_on(KEY).await.is_empty()).await;
    assert!(third.is_locked(KEY).await.expect("an answer"));
}

#[tokio::test]
async fn a_database_that_is_not_there() {
    let cluster = Cluster::start(1).await;
    let error = Redlock::connect(urls(&cluster, "", "/99"))
        .await
        .expect_err("sixteen databases");
    let name = format!("{}/99", cluster.node(0).address());
    assert_blames(&error, &name, FaultKind::Other, &["DB index"]);
}
