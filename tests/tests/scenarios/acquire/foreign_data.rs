//! A15: data of others stay unchanged, and block only their own key.

use redis::Cmd;
use redlock::Redlock;
use tests::{Cluster, Node, eventually, within};

use crate::support::{FENCE, KEY, LONG, SOON, connect};

/// The value with its type, for "untouched".
async fn dump(node: &Node, key: &str) -> (Vec<u8>, i64) {
    (
        node.ask(redis::cmd("DUMP").arg(key)).await,
        node.ask(redis::cmd("PTTL").arg(key)).await,
    )
}

fn command(words: &[&str]) -> Cmd {
    let mut cmd = redis::cmd(words[0]);
    cmd.arg(&words[1..]);
    cmd
}

/// `put` writes something to `key`: on one node its vote is a no, on all there is no quorum, and the data never change.
async fn is_left_alone(key: &str, put: &[&str], cause: &str) {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let node = cluster.node(1);
    let _: redis::Value = node.ask(&command(put)).await;
    let before = dump(node, key).await;

    let guard = redlock
        .lock(KEY)
        .ttl(LONG)
        .no_wait()
        .await
        .expect("two of three");
    eventually(SOON, async || {
        cluster.node(0).exists(KEY).await && cluster.node(2).exists(KEY).await
    })
    .await;
    assert_eq!(dump(node, key).await.0, before.0);
    guard.extend().await.expect("two of three");
    guard.release().await.expect("two of three");
    eventually(SOON, async || {
        !cluster.node(0).exists(KEY).await && !cluster.node(2).exists(KEY).await
    })
    .await;
    assert_eq!(
        dump(node, key).await,
        before,
        "after acquire, extension and release"
    );

    for node in [cluster.node(0), cluster.node(2)] {
        if key == FENCE {
            let () = node.ask(redis::cmd("DEL").arg(FENCE)).await;
        }
        let _: redis::Value = node.ask(&command(put)).await;
    }
    // With time to wait: the request must not sleep either, because the data have no expiry.
    let error = within(SOON, redlock.lock(KEY).ttl(LONG).no_wait())
        .await
        .expect_err("no vote at all");
    assert!(!error.is_timed_out(), "{error}");
    assert!(
        error
            .to_string()
            .to_lowercase()
            .contains(&cause.to_lowercase()),
        "{error} does not say {cause:?}"
    );
    for node in cluster.nodes() {
        assert_eq!(dump(node, key).await, before);
    }
    other_keys_work(&redlock).await;
}

async fn other_keys_work(redlock: &Redlock) {
    let guard = redlock
        .lock("another")
        .ttl(LONG)
        .no_wait()
        .await
        .expect("another key");
    guard.release().await.expect("released");
}

#[tokio::test]
async fn a15_a_hash_under_the_key() {
    is_left_alone(KEY, &["HSET", KEY, "amount", "12"], "holds a hash, a list").await;
}

#[tokio::test]
async fn a15_a_list_under_the_key() {
    is_left_alone(KEY, &["RPUSH", KEY, "a", "b"], "holds a hash, a list").await;
}

#[tokio::test]
async fn a15_a_string_without_expiry() {
    is_left_alone(KEY, &["SET", KEY, "paid"], "expir").await;
}

#[tokio::test]
async fn a15_a_fence_that_is_not_a_number() {
    is_left_alone(FENCE, &["SET", FENCE, "abc"], "fence").await;
}

#[tokio::test]
async fn a15_a_fence_that_is_a_list() {
    is_left_alone(FENCE, &["RPUSH", FENCE, "1"], "holds a hash, a list").await;
}

#[tokio::test]
async fn a15_a_fence_at_the_end_of_exact_numbers() {
    is_left_alone(FENCE, &["SET", FENCE, "9007199254740991"], "fence").await;
}
