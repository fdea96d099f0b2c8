//! On real servers: outages, restarts, late writes, and what the nodes hold.

use std::time::Duration;

use redlock::{ErrorKind, Guard, Redlock};
use tests::proxy::{Direction, Flow, Proxy};
use tests::{Cluster, eventually, within};

use crate::{KEY, SOON};

/// A skew that is short enough for a test: a later write counts on a node that has just started.
const SKEW: Duration = Duration::from_millis(100);

/// A client for which the nodes have forgotten nothing.
async fn trusting(cluster: &Cluster) -> Redlock {
    let redlock = newcomer(cluster).await;
    redlock.trust_nodes().await.expect("three nodes");
    redlock
}

/// A client that cannot know what the nodes forgot before it connected.
async fn newcomer(cluster: &Cluster) -> Redlock {
    let builder = Redlock::builder().nodes(cluster.urls()).clock_skew(SKEW);
    builder.connect().await.expect("a quorum")
}

async fn lock(redlock: &Redlock) -> Guard {
    within(SOON, redlock.lock(KEY).wait(SOON))
        .await
        .expect("a lock")
}

/// A lock under which `value` was written: one that was acquired later than the skew after the
/// start of the nodes.
async fn lock_and_write(redlock: &Redlock, value: &str) -> Guard {
    let written = async {
        loop {
            let guard = lock(redlock).await;
            match guard.write(value).await {
                Ok(()) => return guard,
                Err(error) => assert!(error.is_forgotten(), "{error}"),
            }
            guard.release().await.expect("three nodes");
            tokio::time::sleep(SKEW).await;
        }
    };
    within(SOON, written).await
}

async fn read(redlock: &Redlock) -> Option<Vec<u8>> {
    redlock.read(KEY).await.expect("a quorum remembers")
}

#[tokio::test]
async fn the_next_holder_and_readers_without_the_lock_see_the_last_write() {
    let cluster = Cluster::start(3).await;
    let (first, second) = (trusting(&cluster).await, trusting(&cluster).await);
    let guard = lock(&first).await;
    assert_eq!(guard.read().await.expect("three nodes"), None);
    guard.write("page 1").await.expect("three nodes");
    guard.write("page 2").await.expect("three nodes");
    assert_eq!(
        guard.read().await.expect("three nodes"),
        Some(b"page 2".to_vec())
    );
    guard.release().await.expect("three nodes");
    assert_eq!(read(&second).await, Some(b"page 2".to_vec()));
    let next = lock(&second).await;
    assert_eq!(
        next.read().await.expect("three nodes"),
        Some(b"page 2".to_vec())
    );
    next.write("").await.expect("three nodes");
    assert_eq!(
        read(&first).await,
        Some(Vec::new()),
        "an empty value is a value"
    );
}

#[tokio::test]
async fn young_nodes_do_not_report_an_unwritten_register_as_empty() {
    let cluster = Cluster::start(3).await;
    let redlock = newcomer(&cluster).await;
    let guard = lock(&redlock).await;
    for error in [
        guard.read().await.expect_err("may be forgotten"),
        redlock.read(KEY).await.expect_err("may be forgotten"),
    ] {
        assert!(error.is_forgotten(), "{error}");
        assert_eq!(error.node_errors().len(), 3, "{error}");
        assert!(
            error
                .to_string()
                .contains("Redlock::trust_nodes, or wait for another "),
            "{error}"
        );
    }
    guard.release().await.expect("three nodes");
    // They cannot have forgotten later writes.
    let guard = lock_and_write(&redlock, "page 1").await;
    assert_eq!(
        guard.read().await.expect("three nodes"),
        Some(b"page 1".to_vec())
    );
    assert_eq!(read(&redlock).await, Some(b"page 1".to_vec()));
    assert!(
        redlock
            .read("other")
            .await
            .expect_err("young")
            .is_forgotten()
    );
    redlock.trust_nodes().await.expect("three nodes");
    assert_eq!(redlock.read("other").await.expect("vouched for"), None);
}

#[tokio::test]
async fn a_register_works_without_one_node_but_not_without_two() {
    let cluster = Cluster::start(3).await;
    let redlock = trusting(&cluster).await;
    let guard = lock(&redlock).await;
    cluster.node(0).kill();
    assert_eq!(guard.read().await.expect("two nodes"), None);
    guard.write("page 1").await.expect("two nodes");
    assert_eq!(read(&redlock).await, Some(b"page 1".to_vec()));
    cluster.node(1).kill();
    assert!(
        guard
            .write("page 2")
            .await
            .expect_err("one node")
            .is_no_quorum()
    );
    assert!(
        redlock
            .read(KEY)
            .await
            .expect_err("one node")
            .is_no_quorum()
    );
}

#[tokio::test]
async fn a_node_that_restarted_empty_does_not_vote_on_older_values() {
    let cluster = Cluster::start(3).await;
    let redlock = newcomer(&cluster).await;
    // Servers report their uptime in whole seconds. After this time every client knows that a write
    // is newer than their start.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let guard = lock_and_write(&redlock, "page 1").await;
    guard.release().await.expect("three nodes");
    cluster.node(0).restart_empty().await;
    // Both other nodes still have the value.
    for client in [&redlock, &newcomer(&cluster).await] {
        eventually(SOON, async || {
            client
                .read(KEY)
                .await
                .is_ok_and(|value| value.as_deref() == Some(b"page 1"))
        })
        .await;
    }
    // One of them remains, and the node that restarted must not report an empty register.
    cluster.node(1).kill();
    for _ in 0..20 {
        let error = redlock.read(KEY).await.expect_err("one of three");
        assert!(error.is_forgotten() || error.is_no_quorum(), "{error}");
        tokio::time::sleep(SKEW).await;
    }
    let keys = cluster.node(2).keys().await;
    assert!(
        keys.iter().any(|key| key.ends_with("{}:register")),
        "{keys:?}"
    );
}

/// Three nodes, and a client that reaches them through proxies.
async fn behind_proxies() -> (Cluster, Vec<Proxy>, Redlock) {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    let urls = proxies.iter().map(Proxy::url);
    let builder = Redlock::builder().nodes(urls).clock_skew(SKEW);
    let redlock = builder.node_timeout(SOON).connect().await.expect("all up");
    redlock.trust_nodes().await.expect("three nodes");
    (cluster, proxies, redlock)
}

#[tokio::test]
async fn a_write_of_an_earlier_holder_that_arrives_late_changes_nothing() {
    let (cluster, proxies, slow) = behind_proxies().await;
    let earlier = slow
        .lock(KEY)
        .ttl(Duration::from_secs(1))
        .await
        .expect("a lock");
    earlier.write("page 1").await.expect("three nodes");
    for proxy in &proxies {
        proxy.set(Direction::ToServer, Flow::Hold);
    }
    let mut late = tokio::spawn(async move { earlier.write("page 2").await });
    eventually(SOON, async || {
        proxies
            .iter()
            .all(|proxy| proxy.held(Direction::ToServer) > 0)
    })
    .await;
    let redlock = trusting(&cluster).await;
    let guard = lock(&redlock).await;
    assert_eq!(
        guard.read().await.expect("three nodes"),
        Some(b"page 1".to_vec())
    );
    assert!(!late.is_finished());
    for proxy in &proxies {
        proxy.set(Direction::ToServer, Flow::PASS);
    }
    let late = within(SOON, &mut late).await.expect("no panic");
    assert!(late.expect_err("a later holder has read").is_lost());
    assert_eq!(
        guard.read().await.expect("three nodes"),
        Some(b"page 1".to_vec())
    );
    assert_eq!(read(&redlock).await, Some(b"page 1".to_vec()));
}

#[tokio::test]
async fn an_invalid_write_is_a_clear_error_and_writes_nothing() {
    let cluster = Cluster::start(3).await;
    let redlock = trusting(&cluster).await;
    let guard = lock(&redlock).await;
    let large = guard
        .write(vec![b'x'; 64 * 1024 + 1])
        .await
        .expect_err("too large");
    assert_eq!(large.kind(), ErrorKind::ValueTooLarge);
    assert!(
        large.is_invalid()
            && large
                .to_string()
                .contains("at most 65536 bytes, this one has 65537")
    );
    let forever = guard.write("x").retention(Duration::MAX).await;
    assert!(forever.expect_err("too long").is_invalid());
    let never = redlock.read(KEY).retention(Duration::ZERO).await;
    assert!(never.expect_err("too short").is_invalid());
    assert!(redlock.read("{}").await.expect_err("no key").is_invalid());
    let plain = redlock.lock("plain").fencing(false).await.expect("a lock");
    assert!(plain.write("x").await.expect_err("no token").is_invalid());
    for node in cluster.nodes() {
        assert!(!node.keys().await.iter().any(|key| key.contains("register")));
    }
    eventually(SOON, async || {
        guard.write(vec![b'x'; 64 * 1024]).await.is_ok()
    })
    .await;
    assert_eq!(
        read(&redlock).await.map(|value| value.len()),
        Some(64 * 1024)
    );
}

#[tokio::test]
async fn a_lost_lock_reads_and_writes_nothing() {
    let cluster = Cluster::start(3).await;
    let redlock = trusting(&cluster).await;
    let guard = lock(&redlock).await;
    redlock.force_release(KEY).await.expect("three nodes");
    assert!(guard.write("x").await.expect_err("lost").is_lost());
    assert!(guard.read().await.expect_err("lost").is_lost());
    assert_eq!(read(&redlock).await, None);
    redlock.close().await;
    assert!(redlock.read(KEY).await.expect_err("closed").is_closed());
}

#[tokio::test]
async fn the_nodes_forget_the_register_after_its_retention() {
    let cluster = Cluster::start(3).await;
    let redlock = trusting(&cluster).await;
    let guard = lock(&redlock).await;
    let short = Duration::from_millis(500);
    eventually(SOON, async || {
        guard.write("x").retention(short).await.is_ok()
    })
    .await;
    eventually(SOON, async || {
        redlock
            .read(KEY)
            .retention(short)
            .await
            .is_ok_and(|value| value.is_none())
    })
    .await;
    for node in cluster.nodes() {
        eventually(SOON, async || {
            !node.keys().await.iter().any(|key| key.contains("register"))
        })
        .await;
    }
}

#[tokio::test]
async fn a_foreign_value_under_the_register_key_is_refused_and_kept() {
    let cluster = Cluster::start(3).await;
    let redlock = trusting(&cluster).await;
    let guard = lock(&redlock).await;
    let key = format!("{{{KEY}}}{{}}:register");
    for node in cluster.nodes() {
        let mut set = redis::cmd("SET");
        let _: () = node.ask(set.arg(&key).arg("something else")).await;
    }
    let error = guard.read().await.expect_err("no register");
    assert!(
        error.is_no_quorum()
            && error
                .to_string()
                .contains("contains a value that is not a register"),
        "{error}"
    );
    assert!(
        guard
            .write("x")
            .await
            .expect_err("no register")
            .is_no_quorum()
    );
    assert_eq!(
        cluster.node(0).get(&key).await.as_deref(),
        Some("something else")
    );
}

#[tokio::test]
async fn readers_have_no_register_and_keep_their_lock() {
    let cluster = Cluster::start(3).await;
    let redlock = trusting(&cluster).await;
    let catalog = redlock.rwlock(KEY);
    let reader = within(SOON, catalog.read()).await.expect("free");
    let error = reader.write("page 1").await.expect_err("one of several");
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    assert!(
        error.to_string().contains("a reader has no register"),
        "{error}"
    );
    let error = reader.read().await.expect_err("one of several");
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    assert!(!reader.is_lost(), "nothing happened to the lock");
    reader.release().await.expect("three nodes");
    assert_eq!(read(&redlock).await, None, "nothing was written");
}
