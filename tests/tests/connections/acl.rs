//! The documented permissions are enough, and the error names a missing one.

use std::time::Duration;

use redlock::{Builder, FaultKind, NodeState, Redlock, RestartGuard};
use tests::Cluster;

use crate::support::{LONG, assert_blames, blamed, contention, cycle, patient};

/// The words of `ACL SETUSER locker ..` in the documentation of the nodes.
fn documented() -> Vec<String> {
    let text = include_str!("../../../redlock/docs/nodes.md");
    let from = text.find("ACL SETUSER").expect("the documented rights");
    let text = &text[from..];
    let text = &text[..text.find("```").expect("the end of the block")];
    let words = text.split_whitespace().skip(1).map(str::to_owned);
    words.collect()
}

/// Creates the user on all nodes, with `change` after the documented permissions.
async fn grant(cluster: &Cluster, change: &[&str]) {
    for node in cluster.nodes() {
        let mut command = redis::cmd("ACL");
        command.arg(documented()).arg(change);
        let () = node.ask(&command).await;
    }
}

fn as_user(cluster: &Cluster) -> Builder {
    let nodes = cluster.nodes().iter();
    patient(nodes.map(|node| format!("redis://locker:secret@{}", node.address())))
        .namespace("lock:")
}

#[tokio::test]
async fn the_documented_rights_are_enough() {
    are_enough(&Cluster::start(3).await).await;
}

pub(crate) async fn are_enough(cluster: &Cluster) {
    grant(cluster, &[]).await;
    let one = as_user(cluster).connect().await.expect("three nodes");
    let other = as_user(cluster).connect().await.expect("three nodes");
    for key in ["invoice:42", "{customer:7}:invoice:42"] {
        cycle(&one, &other, key).await;
    }
    contention(&[one.clone(), other.clone()], "contended").await;
    let restored = one.lock("restored").ttl(LONG).await.expect("free");
    let mut forget = redis::cmd("DEL");
    forget.arg("lock:restored").arg("{lock:restored}{}:fence");
    let _: u64 = cluster.node(0).ask(&forget).await;
    restored.extend().await.expect("two of three");
    other_kinds(&one).await.expect("three nodes");
    let is_up = |node: &redlock::NodeHealth| node.state == NodeState::Up;
    assert!(one.health().await.iter().all(is_up));
    assert_eq!(refusals(cluster).await, Vec::<String>::new());
}

#[tokio::test]
async fn without_fencing() {
    let cluster = Cluster::start(3).await;
    grant(&cluster, &[]).await;
    let redlock = as_user(&cluster)
        .fencing(false)
        .connect()
        .await
        .expect("three nodes");
    let guard = redlock.lock("k").ttl(LONG).await.expect("free");
    assert!(
        redlock
            .lock("k")
            .no_wait()
            .await
            .expect_err("held")
            .is_busy()
    );
    guard.extend().await.expect("held");
    guard.cool_down(LONG).await.expect("cooling down");
    assert_eq!(refusals(&cluster).await, Vec::<String>::new());
    // Such locks need no more, so the node is up.
    grant(&cluster, &["resetkeys", "~lock:*", "-mget"]).await;
    drop(redlock.lock("k2").no_wait().await.expect("free"));
    for node in redlock.health().await {
        assert_eq!(node.state, NodeState::Up);
    }
}

#[tokio::test]
async fn under_the_strict_guard() {
    let cluster = Cluster::start(3).await;
    grant(&cluster, &[]).await;
    let builder = as_user(&cluster).restart_guard(RestartGuard::Strict);
    let one = builder.clone().connect().await.expect("three nodes");
    let other = builder.connect().await.expect("three nodes");
    one.trust_nodes().await.expect("vouched for");
    cycle(&one, &other, "invoice:42").await;
    assert_eq!(refusals(&cluster).await, Vec::<String>::new());
}

/// The commands that the servers refused to the user, except for the two that the documentation calls optional.
async fn refusals(cluster: &Cluster) -> Vec<String> {
    let mut refused = Vec::new();
    for node in cluster.nodes() {
        let log: Vec<std::collections::HashMap<String, redis::Value>> =
            node.ask(redis::cmd("ACL").arg("LOG")).await;
        for entry in log {
            let object: String = redis::from_redis_value(entry["object"].clone()).expect("text");
            if !["config|get", "config", "client|setinfo", "client"].contains(&object.as_str()) {
                refused.push(object);
            }
        }
    }
    refused
}

/// Permissions that only notifications need.
const WAKING: [&str; 5] = ["subscribe", "publish", "zadd", "zrange", "zrem"];

/// Permissions that the client can do without, which `access/refusals.rs` and `batches/tombstones.rs` test.
const OPTIONAL: [&str; 4] = ["client|tracking", "info", "evalsha", "incr"];

#[tokio::test]
async fn without_the_rights_for_wake_ups() {
    let cluster = Cluster::start(3).await;
    let less: Vec<String> = WAKING.iter().map(|command| format!("-{command}")).collect();
    let less: Vec<&str> = less
        .iter()
        .map(String::as_str)
        .chain(["resetchannels"])
        .collect();
    grant(&cluster, &less).await;
    let one = as_user(&cluster).connect().await.expect("three nodes");
    let other = as_user(&cluster).connect().await.expect("three nodes");
    cycle(&one, &other, "invoice:42").await;
    contention(&[one, other], "contended").await;
}

/// If a permission is taken away, the error names it, or those that the script needs.
#[tokio::test]
async fn a_missing_command_is_named() {
    let commands: Vec<String> = documented()
        .iter()
        .filter_map(|word| word.strip_prefix('+').map(str::to_owned))
        .collect();
    assert!(commands.len() > 8 + WAKING.len(), "{commands:?}");
    let needed = commands.iter().filter(|command| {
        ![&WAKING[..], &OPTIONAL]
            .concat()
            .contains(&command.as_str())
    });
    let cluster = Cluster::start(1).await;
    let name = cluster.node(0).address().to_string();
    for command in needed {
        // Each in a new client, without connections of the one before.
        let () = cluster.node(0).ask(&redis::cmd("FLUSHALL")).await;
        let () = cluster.node(0).ask(redis::cmd("SCRIPT").arg("FLUSH")).await;
        grant(&cluster, &[&format!("-{command}")]).await;
        let Err(error) = everything(&cluster).await else {
            panic!("{command} is not needed: the documentation asks for too much");
        };
        let said = blamed(&error, &name);
        assert_eq!(said.kind(), FaultKind::Permission, "{command}: {error}");
        assert!(
            said.cause().contains(command.as_str()) && !said.cause().contains("<key>"),
            "{command}: {error}"
        );
    }
}

/// Performs every operation on the one node. The first error ends it.
async fn everything(cluster: &Cluster) -> Result<(), redlock::Error> {
    let redlock = as_user(cluster).connect().await?;
    let guard = redlock.lock("k").ttl(LONG).no_wait().await?;
    assert!(redlock.try_lock("k").await?.is_none());
    // Raises the ttl again after a part of it has passed.
    tokio::time::sleep(Duration::from_millis(5)).await;
    guard.extend().await?;
    guard.release().await?;
    let guard = redlock.lock("k").ttl(LONG / 2).no_wait().await?;
    redlock.holder("k").await?;
    guard.cool_down(LONG).await?;
    redlock.force_release("k").await?;
    redlock.force_release("free").await?;
    other_kinds(&redlock).await?;
    // The second reader removes those that have expired, and several are a set.
    let other = as_user(cluster).connect().await?;
    let mut readers = Vec::new();
    for client in [&redlock, &other] {
        let pages = client.rwlock("pages");
        readers.push(pages.read().ttl(LONG).no_wait().await?);
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    readers[0].extend().await?;
    // The same under the strict guard.
    let strict = as_user(cluster)
        .restart_guard(RestartGuard::Strict)
        .connect()
        .await?;
    strict.trust_nodes().await?;
    strict
        .lock("k")
        .ttl(LONG)
        .no_wait()
        .await?
        .release()
        .await?;
    strict.close().await;
    Ok(())
}

async fn other_kinds(redlock: &Redlock) -> Result<(), redlock::Error> {
    let catalog = redlock.rwlock("catalog");
    let reader = catalog.read().ttl(LONG).no_wait().await?;
    tokio::time::sleep(Duration::from_millis(5)).await;
    reader.extend().await?;
    assert!(catalog.try_write().await?.is_none());
    assert_eq!(catalog.holders().await?.readers.len(), 1);
    reader.release().await?;
    let writer = catalog.write().ttl(LONG).no_wait().await?;
    tokio::time::sleep(Duration::from_millis(5)).await;
    writer.extend().await?;
    writer.release().await?;
    for request in [catalog.read(), catalog.write()] {
        let _held = request.ttl(LONG).no_wait().await?;
        catalog.force_release_readers().await?;
        catalog.force_release_writer().await?;
    }
    let exports = redlock.semaphore("export", 3);
    let _permit = exports.acquire().ttl(LONG).no_wait().await?;
    assert_eq!(exports.holders().await?.len(), 1);
    exports.force_release_all().await
}

#[tokio::test]
async fn missing_keys_are_named() {
    let cluster = Cluster::start(1).await;
    let name = cluster.node(0).address().to_string();
    for keys in [
        ["resetkeys", "~lock:*"],
        ["resetkeys", "~{lock:*"],
        ["resetkeys", "~other:*"],
    ] {
        grant(&cluster, &keys).await;
        let redlock = as_user(&cluster).connect().await.expect("one node");
        let error = redlock
            .lock("k")
            .no_wait()
            .await
            .expect_err("a key out of reach");
        let words = ["key", "lock:k", "{lock:k}{}:fence"];
        assert_blames(&error, &name, FaultKind::Permission, &words);
    }
}
