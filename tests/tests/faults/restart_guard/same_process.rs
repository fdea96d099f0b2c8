//! The data of a node are replaced or emptied while its process continues.

use super::*;

async fn three() -> Cluster {
    Cluster::builder(3)
        .arg(["--enable-debug-command", "yes"])
        .arg(["--repl-diskless-sync-delay", "0"])
        .start()
        .await
}

async fn becomes_a_replica_and_is_promoted(watched: &Watched) {
    let source = Cluster::start(1).await;
    follow(watched.node(), source.node(0)).await;
    run(watched.node(), &["REPLICAOF", "NO", "ONE"]).await;
    assert!(watched.has_forgotten().await);
}

#[tokio::test]
async fn f2_a_node_that_was_a_replica_does_not_vote() {
    let watched = Watched::start(three().await, RestartGuard::Observed).await;
    becomes_a_replica_and_is_promoted(&watched).await;
    watched.nobody_else_gets_it().await;
}

/// Proof that the guard is needed: without it there are two holders.
#[tokio::test]
async fn f2_without_the_guard_a_node_that_was_a_replica_votes() {
    let watched = Watched::start(three().await, RestartGuard::Off).await;
    becomes_a_replica_and_is_promoted(&watched).await;
    let second = watched.other.try_lock(KEY).await.expect("two of three");
    assert!(second.is_some() && !watched.held.is_lost());
}

#[tokio::test]
async fn f2_a_busy_client_notices_that_a_node_was_a_replica() {
    let watched = Watched::start(three().await, RestartGuard::Observed).await;
    let other = watched.other.clone();
    let asking = async {
        loop {
            if let Ok(Some(second)) = other.try_lock(KEY).await {
                return second;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        second = asking => panic!("{second:?} beside {:?}", watched.held),
        () = becomes_a_replica_and_is_promoted(&watched) => {}
    }
    watched.nobody_else_gets_it().await;
}

#[tokio::test]
async fn f2_a_node_that_was_flushed_does_not_vote() {
    let watched = Watched::start(three().await, RestartGuard::Observed).await;
    run(watched.node(), &["FLUSHALL"]).await;
    watched.nobody_else_gets_it().await;
}

#[tokio::test]
async fn f2_a_node_that_loads_an_old_snapshot_does_not_vote() {
    let cluster = three().await;
    run(cluster.node(1), &["SAVE"]).await;
    let watched = Watched::start(cluster, RestartGuard::Observed).await;
    run(watched.node(), &["DEBUG", "RELOAD", "NOSAVE"]).await;
    assert!(watched.has_forgotten().await);
    watched.nobody_else_gets_it().await;
}

/// After the guard time it decides again.
#[tokio::test]
async fn f2_a_node_that_was_a_replica_votes_after_the_guard_time() {
    let cluster = three().await;
    let redlock = all(&cluster)
        .ttl(Duration::from_secs(1))
        .max_ttl(Duration::from_secs(1))
        .clock_skew(Duration::from_secs(1))
        .connect()
        .await
        .expect("three nodes");
    let source = Cluster::start(1).await;
    follow(cluster.node(1), source.node(0)).await;
    run(cluster.node(1), &["REPLICAOF", "NO", "ONE"]).await;
    cluster.node(0).kill();
    let refused = redlock.try_lock(KEY).await.expect_err("one of three votes");
    assert!(refused.is_no_quorum(), "{refused}");
    let guard = redlock.lock(KEY).wait(BOUND).await.expect("two of three");
    guard.release().await.expect("released");
}

/// A holder is not affected while a majority keeps its lock, and loses it at once when a majority has forgotten it.
#[tokio::test]
async fn f2_the_holder_loses_the_lock_once_a_majority_has_forgotten_it() {
    let cluster = three().await;
    let redlock = all(&cluster).connect().await.expect("three nodes");
    let held = redlock.lock(KEY).ttl(LONG).await.expect("free");
    eventually(BOUND, async || cluster.locked_on(KEY).await.len() == 3).await;
    run(cluster.node(0), &["FLUSHALL"]).await;
    held.extend().await.expect("held by two of three");
    run(cluster.node(0), &["FLUSHALL"]).await;
    run(cluster.node(1), &["FLUSHALL"]).await;
    held.extend().await.expect_err("one of three is left");
    assert!(held.is_lost());
}

#[tokio::test]
async fn f2_a_node_in_memory_that_was_flushed_does_not_vote() {
    let nodes = redlock::memory::Nodes::new(3);
    let one = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let two = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let held = one.lock(KEY).ttl(LONG).await.expect("free");
    nodes.node(0).flush();
    nodes.node(1).flush();
    assert!(
        two.try_lock(KEY)
            .await
            .expect_err("one votes")
            .is_no_quorum()
    );
    assert!(!held.is_lost());
}

/// A copied node has no vote either, even if the copy contains the record by which clients know the node.
#[tokio::test]
async fn f2_a_node_that_loads_a_snapshot_with_its_record_does_not_vote() {
    let cluster = three().await;
    let _first = all(&cluster).connect().await.expect("three nodes");
    let watched = Watched::start(cluster, RestartGuard::Observed).await;
    watched.held.extend().await.expect("held");
    let lock: Vec<u8> = watched.node().ask(redis::cmd("DUMP").arg(KEY)).await;
    run(watched.node(), &["DEL", KEY]).await;
    run(watched.node(), &["SAVE"]).await;
    let put_back = redis::cmd("RESTORE")
        .arg(KEY)
        .arg(LONG.as_millis() as u64)
        .arg(lock)
        .to_owned();
    let () = watched.node().ask(&put_back).await;
    run(watched.node(), &["DEBUG", "RELOAD", "NOSAVE"]).await;
    assert!(watched.has_forgotten().await);
    watched.nobody_else_gets_it().await;
}

/// An old snapshot contains the marker of the strict guard, but not the lock.
#[tokio::test]
async fn f2_strict_quarantines_a_node_with_an_old_snapshot() {
    let cluster = three().await;
    let first = all(&cluster)
        .restart_guard(RestartGuard::Strict)
        .connect()
        .await
        .expect("three nodes");
    first.trust_nodes().await.expect("three nodes");
    run(cluster.node(1), &["SAVE"]).await;
    let watched = Watched::start(cluster, RestartGuard::Strict).await;
    run(watched.node(), &["DEBUG", "RELOAD", "NOSAVE"]).await;
    assert!(watched.has_forgotten().await);
    watched.nobody_else_gets_it().await;
    // An operator can override that.
    watched.other.trust_nodes().await.expect("three nodes");
    let second = watched.other.try_lock(KEY).await.expect("three nodes");
    assert!(second.is_some(), "all were vouched for");
}

/// The lock is held under the strict guard, and a node has a copy of its own data from before the lock: the copy contains a marker.
async fn with_a_copy_of_old_data() -> Watched {
    let cluster = three().await;
    let first = strict(&cluster).await;
    first.trust_nodes().await.expect("three nodes");
    let copy = Cluster::start(1).await;
    follow(copy.node(0), cluster.node(1)).await;
    run(copy.node(0), &["REPLICAOF", "NO", "ONE"]).await;
    let watched = Watched::start(cluster, RestartGuard::Strict).await;
    follow(watched.node(), copy.node(0)).await;
    run(watched.node(), &["REPLICAOF", "NO", "ONE"]).await;
    assert!(watched.has_forgotten().await);
    watched
}

async fn strict(cluster: &Cluster) -> Redlock {
    let builder = all(cluster).restart_guard(RestartGuard::Strict);
    builder.connect().await.expect("two of three at least")
}

#[tokio::test]
async fn f2_strict_quarantines_a_node_with_a_copy_of_old_data() {
    let watched = with_a_copy_of_old_data().await;
    watched.nobody_else_gets_it().await;
}

/// So do clients that meet the node only afterwards: the marker in the copy names an earlier promotion.
#[tokio::test]
async fn f2_strict_new_clients_do_not_count_a_node_with_a_copy_of_old_data() {
    let watched = with_a_copy_of_old_data().await;
    for _ in 0..3 {
        let later = strict(&watched.cluster).await;
        let second = later.try_lock(KEY).await;
        assert!(
            !matches!(second, Ok(Some(_))),
            "{second:?} beside {:?}",
            watched.held
        );
    }
    watched.nobody_else_gets_it().await;
}

/// A later client learns it from those that saw it.
#[tokio::test]
async fn f2_a_client_that_connects_later_does_not_count_a_node_that_was_flushed() {
    let cluster = three().await;
    // Older than the flush by more than a first start takes.
    eventually(BOUND, async || {
        cluster.node(2).info("server", "uptime_in_seconds").await >= 7
    })
    .await;
    let watched = Watched::start(cluster, RestartGuard::Observed).await;
    run(watched.node(), &["FLUSHALL"]).await;
    watched.nobody_else_gets_it().await;
    let later = all(&watched.cluster).connect().await.expect("two of three");
    for _ in 0..10 {
        let second = later.try_lock(KEY).await;
        assert!(!matches!(second, Ok(Some(_))), "{second:?}");
    }
    assert!(!watched.held.is_lost());
    let health = later.health().await;
    assert!(matches!(health[1].state, NodeState::Quarantined { .. }));
}

/// Nodes that are emptied together, as between two tests, count as new for later clients.
#[tokio::test]
async fn f2_nodes_that_were_emptied_together_serve_later_clients() {
    let cluster = three().await;
    let before = all(&cluster).connect().await.expect("three nodes");
    for node in cluster.nodes() {
        run(node, &["FLUSHALL"]).await;
    }
    // Both have been noticed by now.
    let asked = before.try_lock(KEY).await;
    assert!(asked.is_err(), "{asked:?}");
    let later = all(&cluster).connect().await.expect("three nodes");
    let guard = later.try_lock(KEY).await.expect("three nodes");
    guard.expect("free").release().await.expect("released");
}

/// No server reports it. A client misses the record of the node when it next renews it.
#[tokio::test]
async fn f2_a_node_whose_databases_were_swapped_does_not_vote_once_that_is_noticed() {
    let watched = Watched::start(three().await, RestartGuard::Observed).await;
    run(watched.node(), &["SWAPDB", "0", "1"]).await;
    eventually(BOUND, async || {
        let health = watched.other.health().await;
        matches!(health[1].state, NodeState::Quarantined { .. })
    })
    .await;
    watched.nobody_else_gets_it().await;
}

/// Each acquire misses the marker.
#[tokio::test]
async fn f2_strict_quarantines_a_node_whose_databases_were_swapped() {
    let cluster = three().await;
    let first = strict(&cluster).await;
    first.trust_nodes().await.expect("three nodes");
    let watched = Watched::start(cluster, RestartGuard::Strict).await;
    run(watched.node(), &["SWAPDB", "0", "1"]).await;
    watched.nobody_else_gets_it().await;
}
