//! `health()` says that a node is up only if it would vote: it also answers a PING while it refuses every lock.

use redlock::{FaultKind, NodeState, Redlock};
use tests::sharded::{OF_SHARD, Sharded, about};
use tests::{Cluster, Node, eventually, within};

use crate::support::{BOUND, KEY, assert_blames, patient};

/// A node of three that answers while it refuses writes.
struct Situation {
    name: &'static str,
    begins: &'static [&'static str],
    ends: &'static [&'static str],
    kind: FaultKind,
    /// What the cause contains.
    words: &'static [&'static str],
}

const SITUATIONS: [Situation; 4] = [
    Situation {
        name: "too few replicas",
        begins: &["CONFIG", "SET", "min-replicas-to-write", "1"],
        ends: &["CONFIG", "SET", "min-replicas-to-write", "0"],
        kind: FaultKind::Misconfigured,
        words: &["NOREPLICAS", "min-replicas-to-write"],
    },
    Situation {
        name: "full memory",
        begins: &["CONFIG", "SET", "maxmemory", "1"],
        ends: &["CONFIG", "SET", "maxmemory", "0"],
        kind: FaultKind::OutOfMemory,
        words: &["OOM", "more memory"],
    },
    Situation {
        name: "no scripts",
        begins: &["ACL", "SETUSER", "locker", "-evalsha", "-eval"],
        ends: &["ACL", "SETUSER", "locker", "+evalsha", "+eval"],
        kind: FaultKind::Permission,
        words: &["NOPERM", "permit it"],
    },
    Situation {
        name: "no writes",
        begins: &["ACL", "SETUSER", "locker", "-set"],
        ends: &["ACL", "SETUSER", "locker", "+set"],
        kind: FaultKind::Permission,
        words: &["set"],
    },
];

async fn tell(node: &Node, words: &[&str]) {
    let () = node.ask(redis::cmd(words[0]).arg(&words[1..])).await;
}

/// Three nodes, and a client that is no administrator.
async fn three() -> (Cluster, Redlock) {
    let cluster = Cluster::start(3).await;
    for node in cluster.nodes() {
        let user = ["ACL", "SETUSER", "locker", "on", ">s", "~*", "&*", "+@all"];
        tell(node, &user).await;
    }
    let nodes = cluster.nodes().iter();
    let urls = nodes.map(|node| format!("redis://locker:s@{}", node.address()));
    let redlock = patient(urls).connect().await.expect("three nodes");
    (cluster, redlock)
}

async fn connect(sharded: &Sharded) -> Redlock {
    patient([sharded.url()]).connect().await.expect("a cluster")
}

async fn state(redlock: &Redlock, node: usize) -> NodeState {
    redlock.health().await[node].state.clone()
}

async fn all_up(redlock: &Redlock) {
    eventually(BOUND, async || {
        let health = redlock.health().await;
        health.iter().all(|node| node.state == NodeState::Up)
    })
    .await;
}

#[tokio::test]
async fn a_node_that_answers_and_refuses_writes_is_not_up() {
    let (cluster, redlock) = three().await;
    all_up(&redlock).await;
    for situation in SITUATIONS {
        for node in &cluster.nodes()[..2] {
            tell(node, situation.begins).await;
        }
        let name = situation.name;
        let error = redlock.lock(KEY).no_wait().await.expect_err(name);
        let address = cluster.node(0).address().to_string();
        assert_blames(&error, &address, situation.kind, situation.words);
        for node in 0..2 {
            let NodeState::Down { cause } = state(&redlock, node).await else {
                panic!("{name}: {:?}", state(&redlock, node).await);
            };
            for word in situation.words {
                assert!(cause.contains(word), "{name}: {cause}");
            }
        }
        assert_eq!(state(&redlock, 2).await, NodeState::Up, "{name}");
        for node in &cluster.nodes()[..2] {
            tell(node, situation.ends).await;
        }
        all_up(&redlock).await;
    }
}

#[tokio::test]
async fn a_demoted_master_is_not_up() {
    let (cluster, redlock) = three().await;
    tell(cluster.node(0), &["REPLICAOF", "127.0.0.1", "1"]).await;
    let NodeState::Down { cause } = state(&redlock, 0).await else {
        panic!("a replica has no vote");
    };
    assert!(cause.contains("READONLY"), "{cause}");
}

/// A look at the nodes is cheap and changes nothing.
#[tokio::test]
async fn nothing_is_written() {
    let (cluster, redlock) = three().await;
    all_up(&redlock).await;
    let node = cluster.node(0);
    let (keys, changes) = (
        node.keys().await,
        node.info("persistence", "rdb_changes_since_last_save"),
    );
    let (changes, calls) = (changes.await, node.calls(&["set", "evalsha", "eval"]).await);
    const LOOKS: u64 = 50;
    for _ in 0..LOOKS {
        redlock.health().await;
    }
    assert_eq!(node.keys().await, keys);
    let after = node
        .info("persistence", "rdb_changes_since_last_save")
        .await;
    // The record of the list of nodes is renewed every 5 s.
    assert!(after - changes < LOOKS, "{changes} {after}");
    let calls = node.calls(&["set", "evalsha", "eval"]).await - calls;
    assert!(calls < 3 * LOOKS, "{calls} calls for {LOOKS} looks");
}

#[tokio::test]
async fn a_cluster_that_is_down_is_not_up() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let redlock = connect(&sharded).await;
    all_up(&redlock).await;
    for node in sharded.servers.nodes() {
        tell(
            node,
            &["CONFIG", "SET", "cluster-require-full-coverage", "yes"],
        )
        .await;
    }
    let slot = ["CLUSTER", "DELSLOTS", "16000"];
    for node in sharded.servers.nodes() {
        tell(node, &slot).await;
    }
    for node in sharded.servers.nodes() {
        eventually(BOUND, async || {
            about(node).await.contains("cluster_state:fail")
        })
        .await;
    }
    let error = redlock.lock(OF_SHARD[0]).no_wait().await;
    let error = error.expect_err("the cluster is down");
    let node = &error.node_errors()[0];
    for word in ["CLUSTERDOWN", "CLUSTER INFO"] {
        assert!(node.cause().contains(word), "{error}");
    }
    assert_eq!(node.kind(), FaultKind::Unreachable, "{error}");
    let NodeState::Down { cause } = state(&redlock, 0).await else {
        panic!("{:?}", redlock.health().await);
    };
    assert!(cause.contains("CLUSTERDOWN"), "{cause}");
    for server in &redlock.health().await[0].servers {
        assert!(matches!(server.state, NodeState::Down { .. }), "{server:?}");
    }
    tell(sharded.shard(2), &["CLUSTER", "ADDSLOTS", "16000"]).await;
    eventually(BOUND, async || {
        !matches!(state(&redlock, 0).await, NodeState::Down { .. })
    })
    .await;
}

/// One master of a cluster refuses writes: the node votes for the keys of the others only.
#[tokio::test]
async fn a_master_of_a_cluster_that_refuses_writes_is_not_up() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let redlock = connect(&sharded).await;
    all_up(&redlock).await;
    let shard = sharded.shard(1);
    tell(shard, &["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    drop(redlock.lock(OF_SHARD[0]).no_wait().await.expect("free"));
    redlock
        .lock(OF_SHARD[1])
        .no_wait()
        .await
        .expect_err("refused");
    let NodeState::Partial { cause } = state(&redlock, 0).await else {
        panic!("{:?}", redlock.health().await);
    };
    let address = shard.address().to_string();
    assert!(
        cause.contains(&address) && cause.contains("NOREPLICAS"),
        "{cause}"
    );
    tell(shard, &["CONFIG", "SET", "min-replicas-to-write", "0"]).await;
    within(BOUND, all_up(&redlock)).await;
}

/// Slots that no server has: nobody votes on their keys.
#[tokio::test]
async fn slots_without_a_server_have_no_vote() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let redlock = connect(&sharded).await;
    all_up(&redlock).await;
    for node in sharded.servers.nodes() {
        tell(node, &["CLUSTER", "DELSLOTS", "16000", "16001"]).await;
    }
    eventually(BOUND, async || match state(&redlock, 0).await {
        NodeState::Partial { cause } => {
            cause.contains("16000-16001") && cause.contains("no server")
        }
        _ => false,
    })
    .await;
}
