//! The owner of a slot changes: a replica that may lack locks takes over, or a slot moves.

use std::time::Duration;

use redlock::{FaultKind, NodeState, RestartGuard};
use tests::eventually;
use tokio::time::Instant;

use super::sharded::{
    GUARD_TIME, OF_SHARD, SLOTS, Sharded, client, connected, id, take_turn, tell,
};
use crate::support::{BOUND, KEY, LONG, SOON, blamed};

/// A replica takes over, and has no vote until locks that it may lack have expired.
#[tokio::test]
async fn observed_a_failover_quarantines_the_new_master() {
    let Some(sharded) = Sharded::start(1).await else {
        return;
    };
    let redlock = connected(&sharded, RestartGuard::Observed).await;
    let other = connected(&sharded, RestartGuard::Observed).await;
    let elsewhere = redlock
        .lock(OF_SHARD[0])
        .keep_alive(true)
        .await
        .expect("free");
    let held = redlock
        .lock(OF_SHARD[1])
        .keep_alive(true)
        .await
        .expect("free");
    let token = held.token();
    sharded.shard(1).kill();
    let guard = other
        .lock(OF_SHARD[1])
        .wait(BOUND)
        .await
        .expect("the replica took over");
    assert!(held.is_lost(), "two holders");
    assert!(guard.token() > token);
    assert!(
        sharded
            .shard(4)
            .keys()
            .await
            .contains(&OF_SHARD[1].to_owned())
    );
    assert!(!elsewhere.is_lost());
    // The old master comes back as a replica, which the client ignores.
    sharded.shard(1).start().await;
    guard.release().await.expect("released");
    for redlock in [&redlock, &other] {
        for key in &OF_SHARD[1..] {
            let guard = redlock.lock(*key).wait(SOON).await.expect("free");
            guard.release().await.expect("released");
        }
    }
}

/// The key was replicated, and the release reached no server: the new master gets it, so the key does not last for its ttl.
#[tokio::test]
async fn a_release_deferred_for_a_dead_master_goes_to_its_successor() {
    let Some(sharded) = Sharded::start(1).await else {
        return;
    };
    let builder = client(&sharded, RestartGuard::Off).max_ttl(LONG);
    let redlock = builder.connect().await.expect("a cluster");
    let held = redlock.lock(OF_SHARD[1]).ttl(LONG).await.expect("free");
    let has_it = async || {
        sharded
            .shard(4)
            .keys()
            .await
            .contains(&OF_SHARD[1].to_owned())
    };
    eventually(SOON, has_it).await;
    sharded.shard(1).kill();
    let start = Instant::now();
    held.release().await.expect_err("nobody is there");
    eventually(LONG, async || !has_it().await).await;
    assert!(start.elapsed() < LONG * 2 / 3, "{:?}", start.elapsed());
}

/// The client is dropped before there is a successor, as at the end of a short program whose runtime goes on.
#[tokio::test]
async fn a_release_goes_to_a_successor_although_the_client_is_gone() {
    let Some(sharded) = Sharded::start(1).await else {
        return;
    };
    let builder = client(&sharded, RestartGuard::Off).max_ttl(BOUND);
    let redlock = builder.connect().await.expect("a cluster");
    let held = redlock.lock(OF_SHARD[1]).ttl(BOUND).await.expect("free");
    let replica = sharded.shard(4);
    let has_it = async || replica.keys().await.contains(&OF_SHARD[1].to_owned());
    eventually(SOON, has_it).await;
    sharded.shard(1).kill();
    drop((held, redlock));
    // Long before the ttl.
    eventually(BOUND / 2, async || !has_it().await).await;
}

#[tokio::test]
async fn observed_the_quarantine_of_a_new_master_lasts_the_guard_time() {
    let Some(sharded) = Sharded::start(1).await else {
        return;
    };
    let redlock = connected(&sharded, RestartGuard::Observed).await;
    sharded.shard(1).kill();
    eventually(BOUND, async || {
        matches!(
            redlock.health().await[0].state,
            NodeState::Quarantined { .. }
        )
    })
    .await;
    let start = Instant::now();
    take_turn(redlock.lock(OF_SHARD[2]).no_wait()).await;
    let error = redlock
        .lock(OF_SHARD[1])
        .no_wait()
        .await
        .expect_err("no vote");
    assert_eq!(
        blamed(&error, "cluster").kind(),
        FaultKind::Quarantined,
        "{error}"
    );
    take_turn(redlock.lock(OF_SHARD[1]).wait(BOUND)).await;
    assert!(
        start.elapsed() >= GUARD_TIME - Duration::from_millis(500),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn off_a_failover_is_followed_at_once() {
    let Some(sharded) = Sharded::start(1).await else {
        return;
    };
    let redlock = connected(&sharded, RestartGuard::Off).await;
    sharded.shard(1).kill();
    take_turn(redlock.lock(OF_SHARD[1]).wait(BOUND)).await;
    assert_eq!(redlock.health().await[0].state, NodeState::Up);
}

#[tokio::test]
async fn a_slot_that_moves_is_followed_within_the_request() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let redlock = connected(&sharded, RestartGuard::Off).await;
    let _known = redlock.lock(OF_SHARD[1]).await.expect("free");
    let slot: u64 = sharded
        .shard(0)
        .ask(redis::cmd("CLUSTER").arg("KEYSLOT").arg(KEY))
        .await;
    let owner = SLOTS
        .iter()
        .position(|(first, last)| (u64::from(*first)..=u64::from(*last)).contains(&slot));
    let owner = owner.expect("one of three");
    let to = (owner + 1) % 3;
    let id = id(sharded.shard(to)).await;
    for index in [to, owner, (owner + 2) % 3] {
        tell(
            sharded.shard(index),
            &["SETSLOT", &slot.to_string(), "NODE", &id],
        )
        .await;
    }
    let guard = redlock.lock(KEY).no_wait().await.expect("free, there");
    assert!(sharded.shard(to).keys().await.contains(&KEY.to_owned()));
    guard.release().await.expect("released");
    let guard = redlock.lock(KEY).no_wait().await.expect("free");
    guard.extend().await.expect("held");
}
