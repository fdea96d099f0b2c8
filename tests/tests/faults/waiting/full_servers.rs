//! A server without memory grants no new locks, and held ones are extended and released.

use std::{path::PathBuf, time::Duration};

use redlock::{ErrorKind, FaultKind, Guard, Redlock, RestartGuard, memory};
use tests::Cluster;

const LONG: Duration = Duration::from_secs(50);
const KEY: &str = "invoice:7";

/// The server of the machine, and the others that were fetched.
fn servers() -> Vec<Option<PathBuf>> {
    let fetched = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/servers");
    let fetched = std::fs::read_dir(fetched).into_iter().flatten();
    let fetched = fetched.map(|entry| Some(entry.expect("a folder").path().join("server")));
    let fetched = fetched.filter(|server| server.as_ref().is_some_and(|path| path.exists()));
    [None].into_iter().chain(fetched).collect()
}

async fn started(server: Option<PathBuf>) -> Cluster {
    let builder = Cluster::builder(3);
    match server {
        None => builder.start().await,
        Some(server) => builder.server(server).start().await,
    }
}

async fn maxmemory(cluster: &Cluster, bytes: &str) {
    for node in cluster.nodes() {
        let mut set = redis::cmd("CONFIG");
        let () = node.ask(set.arg("SET").arg("maxmemory").arg(bytes)).await;
    }
}

async fn assert_nowhere(cluster: &Cluster, key: &str) {
    tests::eventually(LONG, async || cluster.locked_on(key).await.is_empty()).await;
}

/// The shortest remaining time of `key` on any node.
async fn left(cluster: &Cluster, key: &str) -> Duration {
    let mut least = Duration::MAX;
    for node in cluster.nodes() {
        least = least.min(node.pttl(key).await.unwrap_or_default());
    }
    least
}

async fn locked(redlock: &Redlock, key: &str, fencing: bool, ttl: Duration) -> Guard {
    let request = redlock.lock(key).fencing(fencing).ttl(ttl);
    request.await.expect("free")
}

/// Locks that were held before the servers were full are extended, released, cooled down and released by force.
async fn assert_works_when_full(cluster: &Cluster, redlock: &Redlock) {
    for fencing in [true, false] {
        let short = Duration::from_secs(8);
        let [kept, given, cooled_down, forced] = [
            locked(redlock, "kept", fencing, short).await,
            locked(redlock, "given", fencing, LONG).await,
            locked(redlock, "cooled_down", fencing, LONG).await,
            locked(redlock, "forced", fencing, LONG).await,
        ];
        maxmemory(cluster, "1").await;

        for _ in 0..3 {
            kept.extend().await.expect("extended");
        }
        assert!(left(cluster, "kept").await > short / 2);
        kept.release().await.expect("released");
        assert_nowhere(cluster, "kept").await;

        let fence = given.token().get().to_string();
        given.release().await.expect("released");
        assert_nowhere(cluster, "given").await;
        if fencing {
            // There is still a tombstone: late commands are stale.
            for node in cluster.nodes() {
                let stands = node.get("{given}{}:fence").await.expect("a fence");
                assert_ne!(stands, fence, "no tombstone on node {}", node.index());
            }
        }

        cooled_down.cool_down(LONG / 2).await.expect("cooling down");
        assert!(left(cluster, "cooled_down").await > LONG / 4);
        assert!(left(cluster, "cooled_down").await <= LONG / 2);
        let refused = redlock.lock("cooled_down").wait(LONG).await;
        assert!(refused.expect_err("in its window").is_cooling_down());

        redlock.force_release("forced").await.expect("taken");
        assert_nowhere(cluster, "forced").await;
        drop(forced);

        let error = redlock.lock("new").no_wait().await.expect_err("full");
        assert_eq!(error.kind(), ErrorKind::NoQuorum, "{error}");
        let causes = error.node_errors().iter().map(redlock::NodeError::kind);
        assert!(
            causes
                .into_iter()
                .all(|kind| kind == FaultKind::OutOfMemory),
            "{error}"
        );

        maxmemory(cluster, "0").await;
        assert!(redlock.try_lock("new").await.expect("room").is_some());
        redlock.force_release("cooled_down").await.expect("taken");
    }
}

#[tokio::test]
async fn f5_held_locks_are_extended_and_released_on_full_servers() {
    for server in servers() {
        let cluster = started(server).await;
        let redlock = Redlock::connect(cluster.urls()).await.expect("all up");
        assert_works_when_full(&cluster, &redlock).await;
    }
}

#[tokio::test]
async fn f5_held_locks_on_full_servers_under_the_strict_guard() {
    let cluster = Cluster::start(3).await;
    let builder = Redlock::builder().nodes(cluster.urls());
    let builder = builder.restart_guard(RestartGuard::Strict);
    let redlock = builder.connect().await.expect("all up");
    redlock.trust_nodes().await.expect("vouched for");
    assert_works_when_full(&cluster, &redlock).await;
}

#[tokio::test]
async fn f5_a_body_runs_on_while_the_servers_are_full() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("all up");
    // Renewed several times while the servers are full.
    let ttl = Duration::from_secs(2);
    let value = redlock.lock(KEY).ttl(ttl).run(async |held| {
        maxmemory(&cluster, "1").await;
        tokio::time::sleep(ttl * 2).await;
        assert!(!held.is_lost());
        7
    });
    assert_eq!(value.await.expect("not lost"), 7);
    assert_nowhere(&cluster, KEY).await;
}

/// A node that forgot the lock restores it only together with its fence, for which a full node has no memory.
#[tokio::test]
async fn f5_a_full_server_does_not_restore_a_forgotten_lock() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("all up");
    let guard = locked(&redlock, KEY, true, LONG).await;
    let mut forget = redis::cmd("DEL");
    forget.arg(KEY).arg(format!("{{{KEY}}}{{}}:fence"));
    let _: u64 = cluster.node(0).ask(&forget).await;
    maxmemory(&cluster, "1").await;
    guard.extend().await.expect("the other two");
    tests::eventually(LONG, async || guard.extend().await.is_ok()).await;
    assert_eq!(cluster.locked_on(KEY).await, [1, 2]);
    maxmemory(&cluster, "0").await;
    tests::eventually(LONG, async || {
        guard.extend().await.expect("held");
        cluster.locked_on(KEY).await.len() == 3
    })
    .await;
    guard.release().await.expect("released");
    assert_nowhere(&cluster, KEY).await;
}

/// A held key without a fence gets one, also on a full server: its yes is a vote for both.
#[tokio::test]
async fn f5_a_missing_fence_is_written_on_full_servers() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("all up");
    let guard = locked(&redlock, KEY, true, LONG).await;
    let fence = format!("{{{KEY}}}{{}}:fence");
    for node in cluster.nodes() {
        let _: u64 = node.ask(redis::cmd("DEL").arg(&fence)).await;
    }
    maxmemory(&cluster, "1").await;
    guard.extend().await.expect("extended");
    for node in cluster.nodes() {
        assert_eq!(node.get(&fence).await, Some(guard.token().to_string()));
    }
    guard.release().await.expect("released");
}

#[tokio::test]
async fn f5_held_locks_on_full_nodes_in_memory() {
    let nodes = memory::Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("all up");
    let other = Redlock::connect(nodes.nodes()).await.expect("all up");
    let held = locked(&redlock, "held", true, LONG).await;
    let cooled_down = locked(&redlock, "cooled_down", true, LONG).await;
    nodes.nodes().iter().for_each(|node| node.fill(true));
    held.extend().await.expect("extended");
    held.release().await.expect("released");
    cooled_down.cool_down(LONG).await.expect("cooling down");
    let error = other.lock("held").no_wait().await.expect_err("full");
    assert!(error.is_no_quorum(), "{error}");
    assert!(error.to_string().contains("OOM"), "{error}");
    let refused = other.lock("cooled_down").wait(LONG).await;
    assert!(refused.expect_err("in its window").is_cooling_down());
    nodes.nodes().iter().for_each(|node| node.fill(false));
    other
        .lock("held")
        .no_wait()
        .await
        .expect("room")
        .release()
        .await
        .expect("up");
}
