//! The keys of all shards, and shards that fail or hang, which affects only their own keys.

use std::time::Duration;

use futures_util::future::join_all;
use redlock::{FaultKind, NodeState, Redlock, RestartGuard};
use tests::{Cluster, eventually, within};
use tokio::time::Instant;

use super::sharded::{GUARD_TIME, OF_SHARD, Sharded, connect, connected, take_turn};
use crate::support::{BOUND, LONG, SOON, assert_blames, blamed, contention, cycle, patient};

#[tokio::test]
async fn as_the_only_node() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let (one, other) = (connect(&sharded).await, connect(&sharded).await);
    for key in OF_SHARD {
        cycle(&one, &other, key).await;
    }
    cycle(&one, &other, "invoice:{customer-7}:42").await;
    contention(&[one.clone(), other], "contended").await;
    let health = &one.health().await[0];
    assert_eq!(health.state, NodeState::Up);
    assert!(health.node.starts_with("cluster 127.0.0.1:"), "{health:?}");
    assert!(health.version.starts_with(char::is_numeric), "{health:?}");
}

#[tokio::test]
async fn many_keys_over_all_slots() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let (one, other) = (connect(&sharded).await, connect(&sharded).await);
    let keys: Vec<String> = (0..600).map(|n| format!("k{n}")).collect();
    let all = join_all(
        keys.iter()
            .map(async |key| one.lock(key).ttl(LONG).no_wait().await.expect("free")),
    );
    let held = within(BOUND, all).await;
    assert_eq!(sharded.with_locks().await, [0, 1, 2]);
    for guard in &held {
        assert!(
            other
                .try_lock(guard.key())
                .await
                .expect("an answer")
                .is_none()
        );
    }
    within(
        BOUND,
        join_all(
            held.into_iter()
                .map(async |guard| guard.release().await.expect("released")),
        ),
    )
    .await;
    assert_eq!(sharded.with_locks().await, Vec::<usize>::new());
    // Several keys at once, of several shards.
    let guards = one.lock_all(OF_SHARD).await.expect("free");
    assert_eq!(sharded.with_locks().await, [0, 1, 2]);
    drop(guards);
    eventually(SOON, async || sharded.with_locks().await.is_empty()).await;
}

#[tokio::test]
async fn as_one_of_three_nodes() {
    // Before the cluster is formed, which takes seconds: a node that is much younger than the others has no vote at first.
    let plain = Cluster::start(2).await;
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let urls = [plain.urls(), vec![sharded.url()]].concat();
    let builder = patient(urls);
    let one = builder.clone().connect().await.expect("three nodes");
    let other = builder.connect().await.expect("three nodes");
    for key in OF_SHARD {
        cycle(&one, &other, key).await;
    }
    contention(&[one.clone(), other], "contended").await;
    // Its vote counts, and its absence does not matter, for each shard.
    plain.node(0).kill();
    one.lock(OF_SHARD[1])
        .await
        .expect("two of three")
        .release()
        .await
        .expect("released");
    sharded.shard(1).kill();
    for (shard, key) in OF_SHARD.into_iter().enumerate() {
        let tried = one.lock(key).no_wait().await;
        assert_eq!(tried.is_ok(), shard != 1, "{tried:?}");
    }
}

#[tokio::test]
async fn a_shard_that_is_down_affects_only_its_own_keys() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let redlock = connected(&sharded, RestartGuard::Observed).await;
    let held = redlock
        .lock(OF_SHARD[0])
        .keep_alive(true)
        .await
        .expect("free");
    let lost = redlock
        .lock(OF_SHARD[1])
        .keep_alive(true)
        .await
        .expect("free");
    sharded.shard(1).kill();
    within(BOUND, lost.lost()).await;
    let name = sharded.shard(1).address().to_string();
    let error = redlock
        .lock(OF_SHARD[1])
        .no_wait()
        .await
        .expect_err("its server is gone");
    assert_blames(&error, "cluster", FaultKind::Unreachable, &[&name]);
    for key in [OF_SHARD[2], "another:{foo}"] {
        take_turn(redlock.lock(key).no_wait()).await;
    }
    assert!(!held.is_lost());

    // Back, and empty: it has no vote on its own keys for the guard time.
    sharded.shard(1).start().await;
    let start = Instant::now();
    eventually(BOUND, async || {
        matches!(
            redlock.health().await[0].state,
            NodeState::Quarantined { .. }
        )
    })
    .await;
    take_turn(redlock.lock(OF_SHARD[2]).no_wait()).await;
    let error = redlock
        .lock(OF_SHARD[1])
        .no_wait()
        .await
        .expect_err("no vote");
    let said = blamed(&error, "cluster");
    // The server itself needs two seconds to find that it belongs to the cluster.
    assert!(
        said.kind() == FaultKind::Quarantined || said.cause().contains("CLUSTERDOWN"),
        "{error}"
    );
    take_turn(redlock.lock(OF_SHARD[1]).wait(BOUND)).await;
    assert!(start.elapsed() >= GUARD_TIME, "{:?}", start.elapsed());
    assert!(!held.is_lost());
}

#[tokio::test]
async fn a_shard_that_hangs_delays_only_its_own_keys() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let redlock = Redlock::connect([sharded.url()]).await.expect("a cluster");
    redlock
        .lock(OF_SHARD[1])
        .await
        .expect("free")
        .release()
        .await
        .expect("released");
    sharded.shard(1).pause();
    let background = redlock.clone();
    let hung = tokio::spawn(async move {
        let started = Instant::now();
        let mut errors = 0;
        while started.elapsed() < Duration::from_secs(2) {
            errors += usize::from(background.lock(OF_SHARD[1]).no_wait().await.is_err());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        errors
    });
    let mut slowest = Duration::ZERO;
    while !hung.is_finished() {
        for key in [OF_SHARD[0], OF_SHARD[2]] {
            let start = Instant::now();
            let guard = redlock.lock(key).no_wait().await.expect("free");
            slowest = slowest.max(start.elapsed());
            guard.release().await.expect("released");
        }
    }
    assert!(hung.await.expect("no panic") > 0);
    // Far below the node time-out of 250 ms.
    assert!(slowest < Duration::from_millis(150), "{slowest:?}");
    sharded.shard(1).resume();
    let _ = redlock
        .lock(OF_SHARD[1])
        .wait(BOUND)
        .await
        .expect("it answers again");
}
