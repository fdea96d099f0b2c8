//! A14: a node that replies with an error votes no with its own cause, which affects no other node.

use std::time::Duration;

use redlock::{Error, Redlock};
use tests::{Cluster, Node, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::support::{KEY, LONG, SOON, connect};

/// Applies `fault` to one node of three, then to a second one. The errors contain one of `causes`.
async fn votes_no(causes: &[&str], fault: impl AsyncFn(&Node)) {
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
    fault(cluster.node(0)).await;
    for _ in 0..3 {
        let guard = redlock
            .lock(KEY)
            .ttl(LONG)
            .no_wait()
            .await
            .expect("two of three");
        guard.extend().await.expect("two of three");
        guard.release().await.expect("two of three");
    }
    fault(cluster.node(1)).await;
    let error = redlock
        .lock(KEY)
        .ttl(LONG)
        .no_wait()
        .await
        .expect_err("one of three");
    assert_blames(
        &error,
        &[cluster.node(0).port(), cluster.node(1).port()],
        causes,
    );
    eventually(SOON, async || !cluster.node(2).exists(KEY).await).await;
}

fn assert_blames(error: &Error, ports: &[u16], causes: &[&str]) {
    assert!(error.is_no_quorum(), "{error}");
    let blamed = error.node_errors();
    assert_eq!(blamed.len(), ports.len(), "{error}");
    for port in ports {
        let node = blamed
            .iter()
            .find(|node| node.node().contains(&port.to_string()));
        let node = node.unwrap_or_else(|| panic!("{port} is not named: {error}"));
        assert!(
            causes.iter().any(|cause| node.cause().contains(cause)),
            "the cause of {} is none of {causes:?}: {}",
            node.node(),
            node.cause()
        );
    }
}

async fn config(node: &Node, name: &str, value: &str) {
    let () = node
        .ask(redis::cmd("CONFIG").arg("SET").arg(name).arg(value))
        .await;
}

#[tokio::test]
async fn a14_noscript_is_handled_within_one_request() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    for _ in 0..3 {
        let guard = redlock.lock(KEY).ttl(LONG).no_wait().await.expect("free");
        eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
        for flush in 0..3 {
            for node in cluster.nodes() {
                let () = node.ask(redis::cmd("SCRIPT").arg("FLUSH")).await;
            }
            match flush {
                0 => guard.extend().await.expect("the extension is sent again"),
                1 => assert!(
                    redlock
                        .try_lock(KEY)
                        .await
                        .expect("the inspection is sent again")
                        .is_none()
                ),
                _ => {}
            }
        }
        guard.release().await.expect("the release is sent again");
        eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
        for node in cluster.nodes() {
            let () = node.ask(redis::cmd("SCRIPT").arg("FLUSH")).await;
        }
    }
}

#[tokio::test]
async fn a14_readonly() {
    // Noticed by a reply, or when the client connects to the node again.
    votes_no(&["READONLY", "is a replica"], async |node| {
        // A replica of a master that does not exist.
        let () = node
            .ask(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1))
            .await;
    })
    .await;
}

#[tokio::test]
async fn a14_oom() {
    votes_no(&["OOM"], async |node| config(node, "maxmemory", "1").await).await;
}

#[tokio::test]
async fn a14_misconf() {
    votes_no(&["MISCONF"], async |node| {
        // The folder for snapshots is gone, so the next one fails, and writes are refused from then on.
        let dir: Vec<String> = node.ask(redis::cmd("CONFIG").arg("GET").arg("dir")).await;
        std::fs::remove_dir_all(&dir[1]).expect("the node's own folder");
        config(node, "save", "3600 1").await;
        let _: String = node.ask(&redis::cmd("BGSAVE")).await;
        eventually(SOON, async || {
            let info: String = node.ask(redis::cmd("INFO").arg("persistence")).await;
            info.contains("rdb_last_bgsave_status:err")
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a14_noreplicas() {
    votes_no(&["NOREPLICAS"], async |node| {
        config(node, "min-replicas-to-write", "1").await;
    })
    .await;
}

#[tokio::test]
async fn a14_noauth() {
    votes_no(&["NOAUTH"], async |node| {
        let mut client = node.client().await;
        let mut pipe = redis::pipe();
        pipe.cmd("CONFIG")
            .arg("SET")
            .arg("requirepass")
            .arg("s3cret");
        // A connection that also receives notifications has another type.
        for kind in ["normal", "pubsub"] {
            pipe.cmd("CLIENT")
                .arg("KILL")
                .arg("TYPE")
                .arg(kind)
                .arg("SKIPME")
                .arg("yes");
        }
        let _: Vec<redis::Value> = pipe
            .query_async(&mut client)
            .await
            .expect("a password, from now on");
        // The client reconnects without it. Until then, the node is only down.
        sleep(Duration::from_millis(300)).await;
    })
    .await;
}

#[tokio::test]
async fn a14_noperm() {
    votes_no(&["NOPERM"], async |node| {
        let () = node
            .ask(
                redis::cmd("ACL")
                    .arg("SETUSER")
                    .arg("default")
                    .arg("-@scripting")
                    .arg("-set"),
            )
            .await;
    })
    .await;
}

/// *Simulated*: two servers that are loading their data set for as long as the test runs.
#[tokio::test]
async fn a14_loading() {
    let cluster = Cluster::start(3).await;
    let loading = [loading().await, loading().await];
    let mut urls = cluster.urls();
    urls[0] = format!("redis://127.0.0.1:{}", loading[0]);
    let redlock = Redlock::connect(urls.clone()).await.expect("two of three");
    redlock
        .lock(KEY)
        .ttl(LONG)
        .no_wait()
        .await
        .expect("two of three")
        .release()
        .await
        .expect("two of three");

    urls[1] = format!("redis://127.0.0.1:{}", loading[1]);
    let redlock = Redlock::connect_lazy(urls).expect("three addresses");
    let error = redlock
        .lock(KEY)
        .ttl(LONG)
        .no_wait()
        .await
        .expect_err("one of three");
    assert_blames(&error, &loading, &["LOADING"]);
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

/// The port of a server that answers every command with LOADING.
async fn loading() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free loopback port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut chunk = [0; 4096];
                let mut last = b'\n';
                while let Ok(n @ 1..) = stream.read(&mut chunk).await {
                    // A command is an array, which starts a line with `*`; no bulk string of this client does.
                    for byte in &chunk[..n] {
                        if *byte == b'*' && last == b'\n' {
                            let sent = stream
                                .write_all(b"-LOADING Redis is loading the dataset in memory\r\n")
                                .await;
                            if sent.is_err() {
                                return;
                            }
                        }
                        last = *byte;
                    }
                }
            });
        }
    });
    port
}
