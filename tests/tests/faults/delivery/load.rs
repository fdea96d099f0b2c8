//! Thousands of requests at once: attempts wait for each other, but releases and renewals wait for none of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use redlock::{Guard, Redlock, memory};
use tests::{Cluster, eventually, within};
use tokio::time::Instant;

use super::{BOUND, LONG, connect, locks_on};

const MANY: usize = 12_000;

async fn hold_many(redlock: &Redlock) -> Vec<Guard> {
    let locks = (0..MANY).map(|i| {
        redlock
            .lock(format!("k:{i}"))
            .ttl(LONG)
            .wait(BOUND)
            .into_future()
    });
    stream::iter(locks)
        .buffer_unordered(256)
        .map(|guard| guard.expect("free"))
        .collect()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_guards_that_are_dropped_at_once_are_all_released() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    drop(hold_many(&redlock).await);
    eventually(LONG / 2, async || locks_on(&cluster).await == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_releases_that_are_awaited_at_once_all_succeed() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let guards = hold_many(&redlock).await;
    let released = join_all(guards.into_iter().map(Guard::release)).await;
    let failed = released.iter().filter(|released| released.is_err()).count();
    assert!(
        failed == 0,
        "{failed} failed, as {:?}",
        released.iter().find(|released| released.is_err())
    );
    within(BOUND, redlock.close()).await;
    assert_eq!(
        locks_on(&cluster).await,
        0,
        "closing waits for the third node"
    );
}

/// One task for each: lock, release, and again.
async fn lock_twice(redlock: &Redlock) -> usize {
    let failed = Arc::new(AtomicUsize::new(0));
    let tasks = (0..MANY).map(|i| {
        let (redlock, failed) = (redlock.clone(), Arc::clone(&failed));
        tokio::spawn(async move {
            for _ in 0..2 {
                let ended = match redlock.lock(format!("k:{i}")).wait(BOUND).await {
                    Ok(guard) => guard.release().await,
                    Err(error) => Err(error),
                };
                if let Err(error) = ended
                    && failed.fetch_add(1, Relaxed) == 0
                {
                    println!("{error}");
                }
            }
        })
    });
    join_all(tasks).await;
    failed.load(Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_tasks_that_lock_and_release_twice_get_no_error() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    assert_eq!(within(BOUND * 2, lock_twice(&redlock)).await, 0);
    within(BOUND, redlock.close()).await;
    assert_eq!(locks_on(&cluster).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_nodes_in_memory_refuse_no_release() {
    let nodes = memory::Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("all up");
    for node in nodes.nodes() {
        node.delay(Duration::from_millis(20));
    }
    drop(hold_many(&redlock).await);
    eventually(LONG / 2, async || {
        nodes
            .nodes()
            .iter()
            .all(|node| !node.keys().iter().any(|key| key.starts_with("k:")))
    })
    .await;
    for node in nodes.nodes() {
        node.delay(Duration::ZERO);
    }
    assert_eq!(within(BOUND, lock_twice(&redlock)).await, 0);
}

/// Locks are renewed in time beside thousands of tasks, and these do no less than fewer tasks would.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f73_renewed_locks_are_kept_beside_many_tasks() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let held = (0..100).map(|i| {
        let lock = redlock
            .lock(format!("held:{i}"))
            .ttl(Duration::from_secs(6));
        lock.keep_alive(true).into_future()
    });
    let held: Vec<Guard> = join_all(held)
        .await
        .into_iter()
        .map(|guard| guard.expect("free"))
        .collect();
    let started = Instant::now();
    // For longer than a ttl, so that each lock is renewed meanwhile.
    while started.elapsed() < Duration::from_secs(10) {
        assert_eq!(within(BOUND * 2, lock_twice(&redlock)).await, 0);
    }
    let lost = held.iter().filter(|guard| guard.is_lost()).count();
    assert_eq!(lost, 0);
    for released in join_all(held.into_iter().map(Guard::release)).await {
        released.expect("held");
    }
}

/// A request that does not wait for the lock still waits for its attempt, for a node time-out at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f73_an_attempt_above_the_limit_is_a_clear_error() {
    let nodes = memory::Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("all up");
    for node in nodes.nodes() {
        node.delay(Duration::from_millis(240));
    }
    let looks = (0..2_000).map(|i| {
        let redlock = redlock.clone();
        async move { redlock.try_lock(format!("k:{i}")).await }
    });
    let looks = within(BOUND, join_all(looks)).await;
    let refused = looks.iter().filter_map(|look| look.as_ref().err());
    let refused: Vec<String> = refused.map(ToString::to_string).collect();
    assert!(!refused.is_empty(), "more than are admitted at a time");
    assert!(
        refused
            .iter()
            .any(|text| text.contains("attempts of this client are in flight")),
        "{refused:?}"
    );
}
