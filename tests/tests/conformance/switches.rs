//! The switches of a node in memory: what a client sees of each, and that a server in that state behaves in the same way.

use std::time::Duration;

use redlock::{
    FaultKind, NodeAddress, Redlock, RestartGuard,
    memory::{Node, Nodes},
};
use tests::{Cluster, eventually};
use tokio::time::Instant;

const KEY: &str = "invoice:7";
const LONG: Duration = Duration::from_secs(50);
const SOON: Duration = Duration::from_secs(30);

/// A client of one node, which no restart puts into quarantine.
async fn client(node: impl Into<NodeAddress>) -> Redlock {
    let builder = Redlock::builder().node(node).ttl(LONG);
    let builder = builder.restart_guard(RestartGuard::Off);
    let builder = builder.node_timeout(Duration::from_secs(10));
    builder.connect().await.expect("a node")
}

/// Why the node refuses the lock, or `None` if it granted it.
async fn fault(redlock: &Redlock, key: &str) -> Option<FaultKind> {
    match redlock.try_lock(key).await {
        Ok(Some(guard)) => {
            guard.release().await.expect("released");
            None
        }
        Ok(None) => panic!("{key} is held"),
        Err(error) => Some(error.node_errors().first().expect("a node").kind()),
    }
}

/// Asserts that the node grants locks again.
async fn recovers(redlock: &Redlock) {
    eventually(SOON, async || fault(redlock, "later").await.is_none()).await;
}

async fn admin(servers: &Cluster, words: &[&str]) -> redis::Value {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    servers.node(0).ask(&command).await
}

/// Turns a state on and off on a node in memory and on a server: both clients see `seen`, also for a key that was
/// free, and work as before when it is over.
async fn same(seen: FaultKind, switch: impl Fn(&Node, bool), on: &[&[&str]], off: &[&[&str]]) {
    let (node, servers) = (Nodes::new(1).node(0), Cluster::start(1).await);
    let memory = client(node.clone()).await;
    let real = client(servers.node(0).url()).await;
    switch(&node, true);
    for words in on {
        admin(&servers, words).await;
    }
    assert_eq!(fault(&real, KEY).await, Some(seen), "a server");
    assert_eq!(fault(&memory, KEY).await, Some(seen), "a node in memory");
    switch(&node, false);
    for words in off {
        admin(&servers, words).await;
    }
    recovers(&real).await;
    recovers(&memory).await;
}

#[tokio::test]
async fn fill() {
    same(
        FaultKind::OutOfMemory,
        Node::fill,
        &[&["CONFIG", "SET", "maxmemory", "1"]],
        &[&["CONFIG", "SET", "maxmemory", "0"]],
    )
    .await;
}

#[tokio::test]
async fn set_hash() {
    same(
        FaultKind::WrongType,
        |node, on| match on {
            true => node.set_hash(KEY),
            false => drop(node.delete(KEY)),
        },
        &[&["HSET", KEY, "field", "value"]],
        &[&["DEL", KEY]],
    )
    .await;
}

#[tokio::test]
async fn replicate_and_promote() {
    let master = Nodes::new(1).node(0);
    same(
        FaultKind::ReadOnly,
        |node, on| match on {
            true => node.replicate(&master),
            false => node.promote(),
        },
        // A replica of a master that does not exist.
        &[&["REPLICAOF", "127.0.0.1", "1"]],
        &[&["REPLICAOF", "NO", "ONE"]],
    )
    .await;
}

#[tokio::test]
async fn fail_to_save() {
    let (node, servers) = (Nodes::new(1).node(0), Cluster::start(1).await);
    let memory = client(node.clone()).await;
    let real = client(servers.node(0).url()).await;
    node.fail_to_save(true);
    let mut config = redis::cmd("CONFIG");
    let dir: Vec<String> = servers.node(0).ask(config.arg("GET").arg("dir")).await;
    std::fs::remove_dir_all(&dir[1]).expect("the node's own folder");
    admin(&servers, &["CONFIG", "SET", "save", "36000 1000000"]).await;
    admin(&servers, &["BGSAVE"]).await;
    // A server saves in the background, and refuses writes once that has failed.
    eventually(SOON, async || {
        let mut info = redis::cmd("INFO");
        let info: String = servers.node(0).ask(info.arg("persistence")).await;
        info.contains("rdb_last_bgsave_status:err")
    })
    .await;
    for redlock in [&real, &memory] {
        assert_eq!(fault(redlock, KEY).await, Some(FaultKind::Misconfigured));
    }
    node.fail_to_save(false);
    admin(&servers, &["CONFIG", "SET", "save", ""]).await;
    recovers(&real).await;
    recovers(&memory).await;
}

#[tokio::test]
async fn busy() {
    let (node, servers) = (Nodes::new(1).node(0), Cluster::start(1).await);
    let memory = client(node.clone()).await;
    let real = client(servers.node(0).url()).await;
    node.busy(true);
    admin(&servers, &["CONFIG", "SET", "lua-time-limit", "1"]).await;
    let mut stuck = servers.node(0).client().await;
    let script = tokio::spawn(async move {
        let mut endless = redis::cmd("EVAL");
        let endless = endless.arg("while true do end").arg(0);
        let _: redis::RedisResult<()> = endless.query_async(&mut stuck).await;
    });
    // Until the script takes too long, the server only answers late.
    eventually(SOON, async || real.is_locked(KEY).await.is_err()).await;
    let seen = fault(&real, KEY).await;
    assert!(seen.is_some(), "a server");
    assert_eq!(fault(&memory, KEY).await, seen);
    node.busy(false);
    admin(&servers, &["SCRIPT", "KILL"]).await;
    script.await.expect("the script's connection");
    recovers(&real).await;
    recovers(&memory).await;
}

/// On a node in memory only: no server loads for as long as a test needs.
#[tokio::test]
async fn load() {
    let node = Nodes::new(1).node(0);
    let redlock = client(node.clone()).await;
    node.load(true);
    assert_eq!(fault(&redlock, KEY).await, Some(FaultKind::Loading));
    node.load(false);
    recovers(&redlock).await;
}

#[tokio::test]
async fn flush_scripts() {
    let (node, servers) = (Nodes::new(1).node(0), Cluster::start(1).await);
    for redlock in [
        client(node.clone()).await,
        client(servers.node(0).url()).await,
    ] {
        let flush = async || {
            node.flush_scripts();
            admin(&servers, &["SCRIPT", "FLUSH"]).await;
        };
        let guard = redlock.lock(KEY).no_wait().await.expect("free");
        flush().await;
        guard.extend().await.expect("held");
        flush().await;
        let other = redlock.try_lock(KEY).await;
        assert!(other.expect("a node").is_none(), "held");
        flush().await;
        guard.release().await.expect("released");
        assert!(!redlock.is_locked(KEY).await.expect("a node"));
    }
}

/// A process that comes back with its data keeps its locks, and has no vote for a while if the restart guard is on.
#[tokio::test]
async fn restart() {
    let node = Nodes::new(1).node(0);
    let servers = Cluster::builder(1)
        .arg(["--appendonly", "yes"])
        .arg(["--appendfsync", "always"]);
    let servers = servers.start().await;
    for in_memory in [true, false] {
        let address = || match in_memory {
            true => NodeAddress::from(node.clone()),
            false => servers.node(0).url().into(),
        };
        let (trusting, observing) = (
            client(address()).await,
            Redlock::connect([address()]).await.expect("a node"),
        );
        let guard = trusting.lock(KEY).no_wait().await.expect("free");
        recovers(&observing).await;
        match in_memory {
            true => node.restart(),
            false => servers.node(0).restart_empty().await,
        }
        eventually(SOON, async || {
            trusting.is_locked(KEY).await.is_ok_and(|held| held)
        })
        .await;
        guard.release().await.expect("its key is still there");
        eventually(SOON, async || {
            fault(&observing, "after").await == Some(FaultKind::Quarantined)
        })
        .await;
    }
}

/// A connection that died unnoticed: the client notices the silence, and reconnects.
#[tokio::test(start_paused = true)]
async fn half_open() {
    let node = Nodes::new(1).node(0);
    let builder = Redlock::builder().node(node.clone());
    let builder = builder.node_timeout(Duration::from_millis(100));
    let redlock = builder.connect().await.expect("a node");
    recovers(&redlock).await;
    let cycle = async || {
        let asked = Instant::now();
        recovers(&redlock).await;
        asked.elapsed()
    };
    assert_eq!(cycle().await, Duration::ZERO, "nothing waits");
    node.half_open();
    assert_ne!(cycle().await, Duration::ZERO, "nothing was lost");
}
