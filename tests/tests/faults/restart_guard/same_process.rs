//! The data of a node are replaced or emptied while its process lives on.

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
    assert!(!watched.node().exists(KEY).await, "it has forgotten");
}

#[tokio::test]
async fn f2_a_node_that_was_a_replica_does_not_vote() {
    let watched = Watched::start(three().await, RestartGuard::Observed).await;
    becomes_a_replica_and_is_promoted(&watched).await;
    watched.nobody_else_gets_it().await;
}

/// What the guard is for: without it there are two holders.
#[tokio::test]
async fn f2_without_the_guard_it_votes() {
    let watched = Watched::start(three().await, RestartGuard::Off).await;
    becomes_a_replica_and_is_promoted(&watched).await;
    let second = watched.other.try_lock(KEY).await.expect("two of three");
    assert!(second.is_some() && !watched.held.is_lost());
}

#[tokio::test]
async fn f2_a_replica_whose_client_asks_all_the_time() {
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
    assert!(!watched.node().exists(KEY).await, "it has forgotten");
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

/// Who holds the lock is told nothing while a majority keeps it, and at once when a majority has forgotten it.
#[tokio::test]
async fn f2_the_holder_is_told_once_a_majority_has_forgotten() {
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
    let nodes = redlock::memory::Cluster::new(3);
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
