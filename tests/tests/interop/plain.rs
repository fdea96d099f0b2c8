//! Clients that send `SET key value NX PX` themselves: a client library, a shell, and a lock that uses one node only.

use std::process::Command;
use std::time::Duration;

use tests::{Cluster, Node, eventually};

use crate::peer::{Library, Peer};
use crate::support::{KEY, LONG, SOON, is_ours, ours, values};

/// `SET key value NX PX`. Returns whether the node accepted it.
async fn set(node: &Node, value: &str) -> bool {
    let set: Option<String> = node
        .ask(
            redis::cmd("SET")
                .arg(KEY)
                .arg(value)
                .arg("NX")
                .arg("PX")
                .arg(30_000),
        )
        .await;
    set.is_some()
}

/// Deletes the key if it still has this value. Returns how many keys were deleted.
async fn compare_and_delete(node: &Node, value: &str) -> u64 {
    let script = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";
    node.ask(redis::cmd("EVAL").arg(script).arg(1).arg(KEY).arg(value))
        .await
}

#[tokio::test]
async fn a_client_that_writes_the_keys_itself() {
    let cluster = Cluster::start(3).await;
    for fencing in [true, false] {
        let redlock = ours(&cluster, fencing).await;
        let guard = redlock.lock(KEY).ttl(LONG).await.expect("free");
        eventually(SOON, async || cluster.locked_on(KEY).await.len() == 3).await;
        for node in cluster.nodes() {
            assert!(!set(node, "theirs").await);
            assert_eq!(compare_and_delete(node, "theirs").await, 0);
            let left = node.pttl(KEY).await.expect("it has an expiry");
            assert!(left > LONG / 2 && left <= LONG, "{left:?}");
        }
        guard.release().await.expect("released");
        eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;

        // On a majority it is a lock, also for the other libraries.
        for node in &cluster.nodes()[..2] {
            assert!(set(node, "theirs").await);
        }
        assert!(redlock.try_lock(KEY).await.expect("a look").is_none());
        redlock.close().await;
        let expected = [Some("theirs"), Some("theirs"), None].map(|value| value.map(str::to_owned));
        eventually(SOON, async || values(&cluster).await == expected).await;
        for node in &cluster.nodes()[..2] {
            assert_eq!(compare_and_delete(node, "theirs").await, 1);
        }
    }
}

#[tokio::test]
async fn a_shell() {
    let cluster = Cluster::start(3).await;
    let redlock = ours(&cluster, true).await;
    let guard = redlock.lock(KEY).ttl(LONG).await.expect("free");
    eventually(SOON, async || cluster.locked_on(KEY).await.len() == 3).await;
    let cli = |node: &Node, words: &[&str]| {
        let output = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &node.port().to_string()])
            .args(words)
            .output();
        output
            .ok()
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    for node in cluster.nodes() {
        let Some(answer) = cli(node, &["SET", KEY, "theirs", "NX", "PX", "30000"]) else {
            use std::io::Write;
            let _ = writeln!(
                std::io::stderr(),
                "NOT TESTED against redis-cli: it is not installed"
            );
            return;
        };
        assert_eq!(answer, "", "refused");
        assert_eq!(cli(node, &["GET", KEY]).as_deref(), Some(guard.owner()));
    }
    guard.release().await.expect("released");
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
    for node in cluster.nodes() {
        assert_eq!(
            cli(node, &["SET", KEY, "theirs", "NX", "PX", "30000"]).as_deref(),
            Some("OK")
        );
    }
    assert!(redlock.try_lock(KEY).await.expect("a look").is_none());
}

#[tokio::test]
async fn a_library_that_locks_a_single_node() {
    let cluster = Cluster::start(1).await;
    let Some(mut peer) = Peer::start(Library::RedisPy, &cluster, KEY) else {
        return;
    };
    let redlock = ours(&cluster, true).await;
    let guard = redlock.lock(KEY).ttl(LONG).await.expect("free");
    assert!(!peer.acquire(LONG).await);
    assert!(is_ours(&values(&cluster).await, &guard));
    guard.release().await.expect("released");

    assert!(peer.acquire(LONG).await);
    assert!(redlock.try_lock(KEY).await.expect("a look").is_none());
    assert!(peer.extend(LONG).await);
    assert!(peer.release().await);

    // Their lock expires, our client gets it, and then they release.
    assert!(peer.acquire(Duration::from_millis(200)).await);
    let guard = redlock
        .lock(KEY)
        .ttl(LONG)
        .wait(SOON)
        .await
        .expect("expired");
    assert!(!peer.release().await);
    assert!(is_ours(&values(&cluster).await, &guard));
}
