//! Semaphores: a limited number of holders over all processes, with a token for each permit.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use redlock::{ErrorKind, Redlock, memory};
use tests::{Cluster, eventually, within};
use tokio::task::JoinSet;

use crate::{SOON, client};

/// The keys of permits that are held on a node.
async fn held_on(cluster: &Cluster) -> usize {
    let mut held = HashSet::new();
    for node in cluster.live() {
        let keys = node.keys().await.into_iter();
        held.extend(keys.filter(|key| key.contains("permit:") && !key.ends_with(":fence")));
    }
    held.len()
}

#[tokio::test]
async fn all_permits_can_be_held_and_the_next_request_waits() {
    let cluster = Cluster::start(3).await;
    let (one, other) = (client(&cluster).await, client(&cluster).await);
    let exports = one.semaphore("export", 2);
    let first = within(SOON, exports.acquire()).await.expect("two permits");
    let second = within(SOON, other.semaphore("export", 2).acquire()).await;
    let second = second.expect("one more permit");
    assert_ne!(first.owner(), second.owner());
    assert_eq!(first.key(), "export");
    assert_eq!(exports.available().await.expect("three nodes"), 0);
    assert!(exports.try_acquire().await.expect("three nodes").is_none());
    let busy = other.semaphore("export", 2).acquire().no_wait().await;
    assert_eq!(busy.expect_err("both are held").kind(), ErrorKind::Busy);
    let waiting = other.semaphore("export", 2);
    let mut waiting = tokio::spawn(async move { waiting.acquire().wait(SOON).await });
    let early = tokio::time::timeout(Duration::from_millis(100), &mut waiting).await;
    assert!(early.is_err(), "three hold");
    first.release().await.expect("three nodes");
    let third = within(SOON, waiting).await.expect("no panic");
    third
        .expect("a free permit")
        .release()
        .await
        .expect("three nodes");
    second.release().await.expect("three nodes");
    eventually(SOON, async || held_on(&cluster).await == 0).await;
    // A lock of the same name is independent.
    let _lock = one
        .try_lock("export")
        .await
        .expect("three nodes")
        .expect("free");
    assert_eq!(exports.available().await.expect("three nodes"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_all_permits_are_used_and_tokens_of_each_increase() {
    const PERMITS: usize = 4;
    const TASKS: usize = 60;
    let cluster = Cluster::start(3).await;
    let clients = [client(&cluster).await, client(&cluster).await];
    let inside = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let semaphore = clients[task % 2].semaphore("export", 4);
        let (inside, most) = (Arc::clone(&inside), Arc::clone(&most));
        tasks.spawn(async move {
            let permit = semaphore.acquire().wait(Duration::from_secs(60)).await;
            let permit = permit.expect("a permit in time");
            let now = inside.fetch_add(1, SeqCst) + 1;
            most.fetch_max(now, SeqCst);
            // No permit is released before all of them were in use once. The wait is bounded in case that never happens.
            let full = async {
                while most.load(SeqCst) < PERMITS {
                    tokio::task::yield_now().await;
                }
            };
            let _ = tokio::time::timeout(Duration::from_secs(20), full).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
            inside.fetch_sub(1, SeqCst);
            permit.token()
        });
    }
    let tokens = within(Duration::from_secs(60), tasks.join_all()).await;
    assert_eq!(most.load(SeqCst), PERMITS);
    assert_eq!(tokens.len(), TASKS);
    eventually(SOON, async || held_on(&cluster).await == 0).await;
}

#[tokio::test]
async fn the_next_holder_of_a_permit_has_a_larger_token() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let semaphore = redlock.semaphore("export", 1);
    let mut last = None;
    for _ in 0..5 {
        let permit = within(SOON, semaphore.acquire()).await.expect("one permit");
        assert!(Some(permit.token()) > last);
        last = Some(permit.token());
        permit.release().await.expect("three nodes");
    }
}

#[tokio::test]
async fn a_client_with_a_different_number_of_permits_is_refused() {
    let cluster = Cluster::start(3).await;
    let (one, other) = (client(&cluster).await, client(&cluster).await);
    let permit = within(SOON, one.semaphore("export", 3).acquire()).await;
    let permit = permit.expect("three permits");
    let refused = other.semaphore("export", 2).acquire().await;
    let error = refused.expect_err("three, not two");
    assert_eq!(error.kind(), ErrorKind::OtherPermits);
    assert!(error.is_invalid());
    let text = error.to_string();
    assert!(
        text.contains("`export`") && text.contains("2 permits here and 3"),
        "{text}"
    );
    let looked = other.semaphore("export", 2).available().await;
    assert_eq!(looked.expect_err("three").kind(), ErrorKind::OtherPermits);
    // Nothing is left of the refused request.
    let semaphore = one.semaphore("export", 3);
    eventually(SOON, async || {
        semaphore.available().await.expect("three nodes") == 2
    })
    .await;
    permit.release().await.expect("three nodes");
}

#[tokio::test]
async fn an_invalid_number_of_permits_is_a_clear_error() {
    let redlock = Redlock::connect(memory::Nodes::new(3).nodes()).await;
    let redlock = redlock.expect("three nodes");
    for permits in [0, 1_001, u32::MAX] {
        let error = redlock.semaphore("export", permits).acquire().await;
        let error = error.expect_err("no such semaphore");
        assert!(error.is_invalid(), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("1 to 1000 permits") && text.contains("export"),
            "{text}"
        );
    }
    for count in [0, 4] {
        let error = redlock.semaphore("export", 3).acquire_many(count).await;
        let text = error.expect_err("no such request").to_string();
        assert!(text.contains("of 3 permits: request 1 to 3"), "{text}");
    }
    let invalid = redlock.semaphore("", 3).try_acquire().await;
    assert!(invalid.expect_err("no key").is_invalid());
}

#[tokio::test]
async fn several_permits_are_granted_all_or_none() {
    let cluster = Cluster::start(3).await;
    let (one, other) = (client(&cluster).await, client(&cluster).await);
    let single = within(SOON, one.semaphore("export", 3).acquire()).await;
    let single = single.expect("three permits");
    let three = other.semaphore("export", 3).acquire_many(3);
    let none = within(SOON, three.clone().wait(Duration::from_millis(200))).await;
    assert!(none.expect_err("one is held").is_timed_out());
    let none = within(SOON, three.clone().wait(Duration::ZERO)).await;
    assert!(none.expect_err("one is held").is_busy());
    eventually(SOON, async || held_on(&cluster).await == 1).await;
    let waiting = tokio::spawn(three.wait(SOON).run(async |held| {
        held.iter()
            .map(redlock::Held::token)
            .collect::<HashSet<_>>()
            .len()
    }));
    single.release().await.expect("three nodes");
    let tokens = within(SOON, waiting).await.expect("no panic");
    assert!(tokens.expect("all are free") >= 1);
    eventually(SOON, async || held_on(&cluster).await == 0).await;
}

#[tokio::test]
async fn the_last_free_permit_is_found() {
    let cluster = Cluster::start(3).await;
    let (one, other) = (client(&cluster).await, client(&cluster).await);
    let held = within(SOON, one.semaphore("export", 8).acquire_many(7)).await;
    let held = held.expect("eight permits");
    let semaphore = other.semaphore("export", 8);
    for _ in 0..5 {
        let last = within(SOON, semaphore.try_acquire()).await;
        let last = last.expect("three nodes").expect("one is free");
        assert!(held.iter().all(|permit| permit.owner() != last.owner()));
        last.release().await.expect("three nodes");
    }
}

#[tokio::test]
async fn the_permit_of_a_process_that_crashed_is_free_after_its_ttl() {
    let cluster = Cluster::start(3).await;
    let urls = cluster.urls();
    let crashed = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        // Without its runtime the permit is not renewed, and it is not released while it is kept.
        runtime.block_on(async {
            let redlock = Redlock::connect(urls).await.expect("three nodes");
            let ttl = Duration::from_secs(1);
            let permit = redlock.semaphore("export", 1).acquire().ttl(ttl).await;
            permit.expect("nobody holds it")
        })
    });
    let crashed = crashed.join().expect("no panic");
    let redlock = client(&cluster).await;
    let permit = within(SOON, redlock.semaphore("export", 1).acquire().wait(SOON)).await;
    permit
        .expect("the ttl is over")
        .release()
        .await
        .expect("three nodes");
    assert!(crashed.is_lost());
}

#[tokio::test]
async fn a_permit_can_be_lost_like_a_lock() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let semaphore = redlock.semaphore("export", 2);
    let permit = semaphore.acquire().ttl(Duration::from_secs(1)).await;
    let permit = permit.expect("two permits");
    cluster.node(0).kill();
    cluster.node(1).kill();
    within(SOON, permit.lost()).await;
    assert!(permit.is_lost());
    let error = permit.release().await.expect_err("lost");
    assert!(error.is_lost() && error.key() == Some("export"), "{error}");
    let none = semaphore.acquire().no_wait().await.expect_err("one node");
    assert!(none.is_no_quorum(), "{none}");
}

#[tokio::test]
async fn permits_work_with_a_hash_tag_and_with_two_of_three_nodes() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::builder().nodes(cluster.urls()).namespace("shop:");
    let redlock = redlock.connect().await.expect("three nodes");
    cluster.node(2).kill();
    let semaphore = redlock.semaphore("{customer}:export", 2);
    let mut permits = HashMap::new();
    for _ in 0..2 {
        let permit = within(SOON, semaphore.acquire()).await.expect("two nodes");
        assert_eq!(permit.key(), "shop:{customer}:export");
        permits.insert(permit.owner().to_owned(), permit);
    }
    assert_eq!(permits.len(), 2);
    let keys = cluster.node(0).keys().await;
    let permit = |key: &&String| key.starts_with("shop:{customer}:export{}{}:permit:");
    assert_eq!(keys.iter().filter(permit).count(), 4, "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn semaphores_work_on_nodes_in_memory() {
    let nodes = memory::Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let other = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let semaphore = redlock.semaphore("export", 2);
    let first = semaphore.acquire().await.expect("two permits");
    let second = other.semaphore("export", 2).acquire().await;
    let second = second.expect("one more");
    assert!(
        semaphore
            .try_acquire()
            .await
            .expect("three nodes")
            .is_none()
    );
    let waiting = tokio::spawn(semaphore.acquire().wait(SOON).into_future());
    tokio::task::yield_now().await;
    second.release().await.expect("three nodes");
    let third = waiting.await.expect("no panic");
    drop(third.expect("a free permit"));
    let other = other.semaphore("export", 5).acquire().await;
    assert_eq!(other.expect_err("two").kind(), ErrorKind::OtherPermits);
    drop(first);
}
