//! A release to which a node replies with an error is sent again.

use std::time::Duration;

use redlock::{FaultKind, NodeError, Redlock, memory};
use tests::{Cluster, Node, eventually};
use tokio::time::{Instant, sleep};

use super::{LONG, SOON, connect};

async fn config(node: &Node, setting: &str, value: &str) {
    let mut command = redis::cmd("CONFIG");
    let () = node.ask(command.arg("SET").arg(setting).arg(value)).await;
}

async fn set(cluster: &Cluster, setting: &str, value: &str) {
    for node in cluster.nodes() {
        config(node, setting, value).await;
    }
}

/// Holds a lock, makes all nodes refuse writes, and releases.
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
    // For the window, not for the ttl.
    eventually(LONG / 2, async || cluster.locked_on("k:1").await.is_empty()).await;
}

/// Under simulated time, since the pause is shorter than a busy machine is slow. The client does nothing else meanwhile that
/// would take the release along.
#[tokio::test(start_paused = true)]
async fn f6_an_idle_client_sends_a_release_again_after_a_short_pause() {
    for outage in [0, 10, 100, 1_000, 10_000].map(Duration::from_millis) {
        let nodes = memory::Nodes::new(3);
        let redlock = Redlock::connect(nodes.nodes()).await.expect("all up");
        let guard = redlock.lock("k:1").ttl(LONG).await.expect("free");
        nodes.nodes().iter().for_each(|node| node.busy(true));
        guard.release().await.expect_err("busy with a script");
        sleep(outage).await;
        nodes.nodes().iter().for_each(|node| node.busy(false));
        let since = Instant::now();
        while nodes.nodes().iter().any(|node| node.get("k:1").is_some()) {
            sleep(Duration::from_millis(1)).await;
        }
        // The pause doubles from 20 ms up to 1 s, each at random down to its half: no longer than twice the time so far.
        let most = Duration::from_millis(50) + outage * 2;
        let most = most.min(Duration::from_millis(1_100));
        let took = since.elapsed();
        assert!(took <= most, "{took:?} after an outage of {outage:?}");
    }
}

/// Holds a lock, breaks the nodes, releases, and repairs them: the release arrives then, long before the ttl is over.
async fn kept(says: FaultKind, spoil: impl AsyncFn(&Node), mend: impl AsyncFn(&Node)) {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let guard = redlock.lock("k:1").ttl(LONG).await.expect("free");
    eventually(SOON, async || cluster.locked_on("k:1").await.len() == 3).await;
    for node in cluster.nodes() {
        spoil(node).await;
    }
    let error = guard.release().await.expect_err("not carried out");
    let kinds: Vec<_> = error.node_errors().iter().map(NodeError::kind).collect();
    assert!(kinds.contains(&says), "{error}");
    for node in cluster.nodes() {
        mend(node).await;
    }
    eventually(LONG / 2, async || cluster.locked_on("k:1").await.is_empty()).await;
}

#[tokio::test]
async fn f6_a_server_that_cannot_write_snapshots_gets_the_release_later() {
    let spoil = async |node: &Node| {
        let dir: Vec<String> = node.ask(redis::cmd("CONFIG").arg("GET").arg("dir")).await;
        std::fs::remove_dir_all(&dir[1]).expect("the node's own folder");
        config(node, "save", "3600 1").await;
        let _: String = node.ask(&redis::cmd("BGSAVE")).await;
        eventually(SOON, async || {
            let info: String = node.ask(redis::cmd("INFO").arg("persistence")).await;
            info.contains("rdb_last_bgsave_status:err")
        })
        .await;
    };
    let mend = async |node: &Node| config(node, "stop-writes-on-bgsave-error", "no").await;
    kept(FaultKind::Misconfigured, spoil, mend).await;
}

/// A replica of a master that does not exist, which keeps its data.
#[tokio::test]
async fn f6_a_server_that_is_read_only_for_a_while_gets_the_release_later() {
    let follow = async |node: &Node, words: [&str; 2]| {
        let () = node.ask(redis::cmd("REPLICAOF").arg(&words)).await;
    };
    let spoil = async |node: &Node| follow(node, ["127.0.0.1", "1"]).await;
    let mend = async |node: &Node| follow(node, ["NO", "ONE"]).await;
    kept(FaultKind::ReadOnly, spoil, mend).await;
}

#[tokio::test]
async fn f6_a_replica_without_its_master_gets_the_release_later() {
    let spoil = async |node: &Node| {
        config(node, "replica-serve-stale-data", "no").await;
        let () = node
            .ask(redis::cmd("REPLICAOF").arg(&["127.0.0.1", "1"]))
            .await;
    };
    let mend = async |node: &Node| {
        let () = node.ask(redis::cmd("REPLICAOF").arg(&["NO", "ONE"])).await;
    };
    kept(FaultKind::ReadOnly, spoil, mend).await;
}

async fn permit(node: &Node, rules: &[&str]) {
    let mut command = redis::cmd("ACL");
    let () = node
        .ask(command.arg("SETUSER").arg("default").arg(rules))
        .await;
}

#[tokio::test]
async fn f6_a_user_that_lacks_a_permission_for_a_while_gets_the_release_later() {
    // The script itself, and what it calls.
    for (taken, given) in [
        (["-eval", "-evalsha"], ["+eval", "+evalsha"]),
        (["-set", "-del"], ["+set", "+del"]),
    ] {
        let spoil = async |node: &Node| permit(node, &taken).await;
        let mend = async |node: &Node| permit(node, &given).await;
        kept(FaultKind::Permission, spoil, mend).await;
    }
}

/// After the longest ttl the key is gone by itself, so that a release that a node never permits is not sent for ever. Closing the
/// client counts it for as long.
#[tokio::test]
async fn f6_a_release_that_is_never_permitted_ends_with_the_longest_ttl() {
    let cluster = Cluster::start(3).await;
    let most = Duration::from_secs(2);
    let builder = Redlock::builder().nodes(cluster.urls()).ttl(most);
    let redlock = builder.max_ttl(most).connect().await.expect("all up");
    let guard = redlock.lock("k:1").await.expect("free");
    // Not the right to delete: without that, a release of a key that is gone by itself succeeds.
    for node in cluster.nodes() {
        permit(node, &["-eval", "-evalsha"]).await;
    }
    guard.release().await.expect_err("not permitted");
    eventually(SOON, async || redlock.close().await == 0).await;
}

#[tokio::test]
async fn f6_closing_counts_releases_that_were_answered_by_errors() {
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

/// The ends of keys that are no locks.
const NO_LOCKS: [&str; 3] = ["{}:fence", "{}:newest", "{}:permits"];

/// A lock of each kind: eleven keys.
async fn one_of_each(redlock: &Redlock) -> Vec<Box<dyn std::any::Any>> {
    let sides = redlock.rwlock("k:sides");
    let permits = redlock.semaphore("k:permits", 3);
    let lock = |key: &str| redlock.lock(key).ttl(LONG);
    vec![
        Box::new(lock("k:lock").await.expect("free")),
        Box::new(lock("k:unfenced").fencing(false).await.expect("free")),
        Box::new(lock("k:newest").newest_wins(true).await.expect("free")),
        Box::new(sides.read().ttl(LONG).await.expect("free")),
        Box::new(
            redlock
                .rwlock("k:writer")
                .write()
                .ttl(LONG)
                .await
                .expect("free"),
        ),
        Box::new(permits.acquire().ttl(LONG).await.expect("free")),
        Box::new(permits.acquire_many(2).ttl(LONG).await.expect("free")),
        Box::new(
            redlock
                .lock_all(["k:a", "k:b"])
                .ttl(LONG)
                .await
                .expect("free"),
        ),
        Box::new(
            redlock
                .election("k:leader")
                .ttl(LONG)
                .campaign()
                .await
                .expect("free"),
        ),
    ]
}

#[tokio::test]
async fn f6_closing_counts_releases_of_all_kinds_that_are_not_permitted() {
    for (taken, given) in [
        (vec!["-eval", "-evalsha"], vec!["+eval", "+evalsha"]),
        (vec!["resetkeys"], vec!["allkeys"]),
    ] {
        let cluster = Cluster::start(3).await;
        let redlock = connect(&cluster).await;
        let held = one_of_each(&redlock).await;
        let held_on = async || {
            let mut keys = 0;
            for node in cluster.nodes() {
                let is_lock = |key: &&String| !NO_LOCKS.iter().any(|end| key.ends_with(end));
                keys += node.keys().await.iter().filter(is_lock).count();
            }
            keys
        };
        eventually(SOON, async || held_on().await == 33).await;
        for node in cluster.nodes() {
            permit(node, &taken).await;
        }
        drop(held);
        assert_eq!(redlock.close().await, 33, "{taken:?}");
        assert_eq!(held_on().await, 33, "{taken:?}");
        for node in cluster.nodes() {
            permit(node, &given).await;
        }
        eventually(LONG / 2, async || held_on().await == 0).await;
        assert_eq!(redlock.close().await, 0, "{given:?}");
    }
}
