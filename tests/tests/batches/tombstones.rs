//! A release leaves a tombstone, alone and in a batch: the fence is one above the last token.

use std::time::Duration;

use redlock::Guard;

use super::{Cluster, LONG, all_free, connect, eventually, keys, lock_all, release_all};

/// An expiry that no client sets: shorter than the retention, and longer than this test.
const SHORT: Duration = Duration::from_secs(500);

fn fence(key: &str) -> String {
    format!("{{{key}}}{{}}:fence")
}

/// Releases locks whose fences expire after `SHORT`, and asserts that each is one above its token. Returns how long the fences
/// have left.
async fn tombstones(cluster: &Cluster, guards: Vec<Guard>, keys: &[String]) -> Vec<Duration> {
    let node = cluster.node(0);
    let tokens: Vec<u64> = guards.iter().map(|guard| guard.token().get()).collect();
    for (key, token) in keys.iter().zip(&tokens) {
        assert_eq!(node.get(&fence(key)).await, Some(token.to_string()));
        let mut expires = redis::cmd("PEXPIRE");
        let ms = u64::try_from(SHORT.as_millis()).expect("short");
        let () = node.ask(expires.arg(fence(key)).arg(ms)).await;
    }
    release_all(guards).await;
    eventually(LONG, async || all_free(cluster, keys).await).await;
    let mut left = Vec::new();
    for (key, token) in keys.iter().zip(&tokens) {
        let tombstone = (token + 1).to_string();
        assert_eq!(node.get(&fence(key)).await, Some(tombstone), "{key}");
        left.push(node.pttl(&fence(key)).await.expect("it expires"));
    }
    left
}

/// The tombstones of a lock alone, and of many in a batch.
async fn alone_and_in_a_batch(cluster: &Cluster) -> Vec<Duration> {
    let redlock = connect(cluster.urls()).await;
    let alone = vec!["alone".to_owned()];
    let mut left = tombstones(cluster, lock_all(&redlock, &alone).await, &alone).await;
    let many = keys();
    left.extend(tombstones(cluster, lock_all(&redlock, &many).await, &many).await);
    // Tokens are larger than the tombstones.
    release_all(lock_all(&redlock, &many).await).await;
    left
}

#[tokio::test]
async fn a_tombstone_keeps_the_expiry_of_the_fence() {
    let cluster = Cluster::start(1).await;
    let left = alone_and_in_a_batch(&cluster).await;
    assert!(left.iter().all(|left| *left <= SHORT), "{left:?}");
}

#[tokio::test]
async fn a_user_without_the_right_to_increment_leaves_tombstones() {
    let cluster = Cluster::start(1).await;
    let mut less = redis::cmd("ACL");
    less.arg(&["SETUSER", "default", "-incr"]);
    let () = cluster.node(0).ask(&less).await;
    // Written anew, with the retention.
    let left = alone_and_in_a_batch(&cluster).await;
    assert!(left.iter().all(|left| *left > SHORT), "{left:?}");
}

/// An owner that does not hold the lock any more left it before: nothing is known of the fence's expiry.
#[tokio::test]
async fn a_release_after_the_lock_is_gone_sets_the_expiry() {
    let cluster = Cluster::start(1).await;
    let redlock = connect(cluster.urls()).await;
    let key = vec!["gone".to_owned()];
    let guards = lock_all(&redlock, &key).await;
    let () = cluster.node(0).ask(redis::cmd("DEL").arg(&key)).await;
    let left = tombstones(&cluster, guards, &key).await;
    assert!(left.iter().all(|left| *left > SHORT), "{left:?}");
}
