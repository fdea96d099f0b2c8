//! Slots that move to servers that do not know their locks.

use redlock::{Redlock, RestartGuard};
use tests::proxy::Proxy;
use tests::sharded::{OF_SHARD, Sharded, tell};
use tests::{Cluster, eventually};

use super::support::{BOUND, client, give, settings};

/// Requests the lock until it is granted, which must not happen while `held` is valid.
pub(super) async fn never_beside(held: &redlock::Guard, other: &Redlock, key: &str) {
    eventually(BOUND, async || match other.try_lock(key).await {
        Ok(Some(_)) => {
            assert!(held.is_lost(), "two holders");
            true
        }
        _ => false,
    })
    .await;
}

/// A shard is down, and an operator gives its slots to another master.
#[tokio::test]
async fn f35_slots_of_a_dead_shard_that_go_to_a_known_master_have_no_vote() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let (one, other) = (
        client(&sharded, RestartGuard::Observed).await,
        client(&sharded, RestartGuard::Observed).await,
    );
    let key = OF_SHARD[1];
    let held = one.lock(key).await.unwrap();
    sharded.shard(1).kill();
    give(&sharded, key, 2, &[0, 2]).await;
    never_beside(&held, &other, key).await;
    // Only the moved slots have no vote.
    for key in [OF_SHARD[0], OF_SHARD[2]] {
        let _free = one.try_lock(key).await.unwrap().expect("free");
    }
}

/// As one of three nodes. The holder got its lock from the cluster and the first node, which is down by then; the other
/// client has the second node, which knows nothing of the lock, and needs the cluster's vote.
#[tokio::test]
async fn f35_slots_that_move_have_no_vote_among_three_nodes() {
    // Before the cluster is formed, which takes seconds: a node that is much younger than the others has no vote at first.
    let plain = Cluster::start(2).await;
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let unreachable = Proxy::before(plain.node(1)).await;
    unreachable.refuse(true);
    let connect = async |second: String| {
        let builder = settings(RestartGuard::Observed)
            .nodes([plain.node(0).url(), second])
            .node(sharded.url_by("", &[0, 2]));
        builder.connect().await.unwrap()
    };
    let one = connect(unreachable.url()).await;
    let other = connect(plain.node(1).url()).await;
    let key = OF_SHARD[1];
    let held = one.lock(key).await.unwrap();
    plain.node(0).kill();
    sharded.shard(1).kill();
    give(&sharded, key, 0, &[0, 2]).await;
    never_beside(&held, &other, key).await;
}

/// A replica that the client never used, promoted by hand while its master is up.
#[tokio::test]
async fn f35_a_promoted_replica_has_no_vote_for_the_slots_that_it_took_over() {
    let Some(sharded) = Sharded::start(1).await else {
        return;
    };
    let (one, other) = (
        client(&sharded, RestartGuard::Observed).await,
        client(&sharded, RestartGuard::Observed).await,
    );
    let key = OF_SHARD[1];
    // There and back: both servers are known by then, and neither has the locks of the other.
    for new in [4, 1] {
        let held = other.lock(key).wait(BOUND).await.unwrap();
        tell(sharded.shard(new), &["FAILOVER", "TAKEOVER"]).await;
        let () = sharded.shard(new).ask(&redis::cmd("FLUSHALL")).await;
        never_beside(&held, &one, key).await;
    }
}

/// A client that connects after the move: the cluster has recorded the previous owner of the slot.
#[tokio::test]
async fn f35_a_client_that_connects_after_the_move_does_not_count_the_vote() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let one = client(&sharded, RestartGuard::Observed).await;
    let key = OF_SHARD[1];
    let held = one.lock(key).await.unwrap();
    sharded.shard(1).kill();
    give(&sharded, key, 2, &[0, 2]).await;
    let builder = settings(RestartGuard::Observed).node(sharded.url_by("", &[0, 2]));
    let late = builder.connect().await.expect("a cluster");
    never_beside(&held, &late, key).await;
}

/// Proof that the guard is needed: without it, a moved lock is granted at once.
#[tokio::test]
async fn f35_off_the_lock_of_a_moved_slot_is_granted_twice() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let url = sharded.url_by("", &[0, 1, 2]);
    let builder = settings(RestartGuard::Off).max_ttl(BOUND).node(url);
    let (one, other) = (builder.clone().connect().await, builder.connect().await);
    let (one, other) = (one.unwrap(), other.unwrap());
    let key = OF_SHARD[1];
    let held = one.lock(key).ttl(BOUND).await.unwrap();
    sharded.shard(1).kill();
    give(&sharded, key, 2, &[0, 2]).await;
    eventually(BOUND, async || {
        matches!(other.try_lock(key).await, Ok(Some(_)))
    })
    .await;
    assert!(!held.is_lost());
}
