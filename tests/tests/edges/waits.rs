//! Waits that could only be in vain, and very short ones.

use std::time::Duration;

use redlock::{ErrorKind, FaultKind, Redlock, memory::Nodes};
use tests::{Cluster, World, within};

use crate::{MINUTE, SOON};

#[tokio::test]
async fn all_keys_of_a_request_are_checked_before_one_of_them_is_waited_for() {
    let world = World::new().await;
    let _held = world.busy("a").await;
    let request = world.locks.lock_all(["a", "b{"]).wait(MINUTE);
    let error = within(SOON, request.into_future()).await;
    let error = error.expect_err("no such key");
    assert_eq!(error.kind(), ErrorKind::InvalidKey, "{error}");
}

#[tokio::test]
async fn a_task_that_holds_one_of_the_keys_does_not_wait_for_the_others() {
    let world = World::new().await;
    let _held = world.busy("a").await;
    let own = world.locks.lock("b").run(async |_| {
        let request = world.locks.lock_all(["a", "b"]).wait(MINUTE);
        within(SOON, request.into_future()).await
    });
    let error = own.await.expect("free").expect_err("it holds b");
    assert!(error.is_already_held(), "{error}");
    assert_eq!(error.key(), Some("b"));
}

#[tokio::test]
async fn a_task_that_holds_all_permits_does_not_wait_for_itself() {
    let world = World::new().await;
    let exports = world.locks.semaphore("export", 2);
    let both = exports.acquire().run(async |_| {
        // Another permit is free.
        let inner = exports.acquire().wait(SOON).run(async |_| {
            let error = within(SOON, exports.acquire().wait(MINUTE).into_future()).await;
            let error = error.expect_err("it holds both");
            assert!(error.is_already_held(), "{error}");
            assert!(error.to_string().contains("2 of its 2 permits"), "{error}");
            // A request that does not wait is refused as usual.
            assert!(exports.try_acquire().await.expect("two nodes").is_none());
        });
        inner.await.expect("the second permit");
        let many = exports.acquire_many(2).wait(MINUTE).into_future();
        let error = within(SOON, many).await.expect_err("it holds one of two");
        assert!(error.is_already_held(), "{error}");
    });
    both.await.expect("a permit");
}

/// A permit that another task holds may be released.
#[tokio::test]
async fn permits_of_other_tasks_are_waited_for() {
    let world = World::new().await;
    let exports = world.locks.semaphore("export", 1);
    let held = exports.acquire().await.expect("free");
    let next = tokio::spawn(exports.acquire().wait(MINUTE).into_future());
    let elsewhere = world.locks.lock("export").run(async |_| {
        // The lock of the same name is not one of them either.
        held.release().await.expect("three nodes");
        within(SOON, next).await.expect("no panic").expect("free")
    });
    elsewhere
        .await
        .expect("free")
        .release()
        .await
        .expect("three nodes");
}

fn delay(nodes: &Nodes) {
    for node in nodes.nodes() {
        node.delay(Duration::from_millis(10));
    }
}

/// As one that does not wait at all.
#[tokio::test(start_paused = true)]
async fn a_very_short_wait_of_a_client_that_never_connected_is_granted_what_is_free() {
    let nodes = Nodes::new(3);
    delay(&nodes);
    let redlock = Redlock::connect_lazy(nodes.nodes()).expect("three nodes");
    let guard = redlock.lock("a").wait(Duration::from_millis(1)).await;
    guard.expect("free").release().await.expect("three nodes");
}

/// Its announcement comes before the first attempt, and meets the nodes as that does.
#[tokio::test(start_paused = true)]
async fn a_very_short_wait_of_the_newest_request_is_granted_what_is_free() {
    let nodes = Nodes::new(3);
    delay(&nodes);
    let redlock = Redlock::connect_lazy(nodes.nodes()).expect("three nodes");
    let request = redlock.lock("a").newest_wins(true);
    let guard = request.wait(Duration::from_millis(1)).await;
    guard.expect("free").release().await.expect("three nodes");
}

/// Two of the nodes come only after some attempts.
#[tokio::test(start_paused = true)]
async fn the_newest_request_waits_for_nodes_that_are_away() {
    let nodes = Nodes::new(3);
    for node in &nodes.nodes()[..2] {
        node.stop();
    }
    let redlock = Redlock::connect_lazy(nodes.nodes()).expect("three nodes");
    let request = redlock.lock("a").newest_wins(true).wait(SOON);
    let request = tokio::spawn(request.into_future());
    tokio::time::sleep(SOON / 4).await;
    assert!(!request.is_finished());
    for node in &nodes.nodes()[..2] {
        node.start();
    }
    let guard = within(SOON, request).await.expect("no panic");
    guard.expect("free").release().await.expect("three nodes");
}

/// They accept the other list once the clients with the first one are gone.
#[tokio::test(start_paused = true)]
async fn the_newest_request_waits_for_nodes_that_refuse_its_list() {
    let nodes = Nodes::new(4);
    let of = |list: [usize; 3]| Redlock::builder().nodes(list.map(|node| nodes.node(node)));
    let old = of([0, 1, 2]).connect().await.expect("three nodes");
    let new = of([0, 1, 3]).connect_lazy().expect("a list");
    let request = new.lock("a").newest_wins(true).wait(MINUTE * 5);
    let request = tokio::spawn(request.into_future());
    tokio::time::sleep(SOON).await;
    assert!(!request.is_finished());
    old.close().await;
    drop(old);
    let guard = request.await.expect("no panic").expect("accepted");
    guard.release().await.expect("three nodes");
}

/// Nodes that do not answer are given up after a node time-out.
#[tokio::test(start_paused = true)]
async fn a_very_short_wait_of_a_client_that_never_connected_is_bounded() {
    let nodes = Nodes::new(3);
    for node in nodes.nodes() {
        node.hang();
    }
    let redlock = Redlock::connect_lazy(nodes.nodes()).expect("three nodes");
    let begun = tokio::time::Instant::now();
    let request = || redlock.lock("a").wait(Duration::from_millis(1));
    assert!(request().await.expect_err("nodes hang").is_no_quorum());
    let took = begun.elapsed();
    assert!(took <= Duration::from_millis(500), "{took:?}");
    let newest = request().newest_wins(true).await;
    assert!(newest.expect_err("nodes hang").is_no_quorum());
    let took = begun.elapsed() - took;
    assert!(took <= Duration::from_millis(500), "{took:?}");
}

/// Nothing is left of the wait for the second key.
#[tokio::test(start_paused = true)]
async fn a_wait_that_the_first_of_several_keys_used_up_has_timed_out() {
    let world = World::new().await;
    let _held = world.busy("b").await;
    delay(&world.nodes);
    let request = world.locks.lock_all(["a", "b"]);
    let error = request.wait(Duration::from_millis(1)).await;
    let error = error.expect_err("another holds b");
    assert!(error.is_timed_out(), "{error}");
    assert_eq!(error.key(), Some("b"));
    assert!(error.to_string().contains("1 ms of the wait"), "{error}");
    let request = world.locks.lock_all(["a", "b"]).wait(Duration::ZERO).await;
    let error = request.expect_err("another holds b");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
}

/// The whole wait is named, and not what was left of it for one key.
#[tokio::test(start_paused = true)]
async fn a_request_for_several_names_its_whole_wait() {
    let world = World::new().await;
    let (first, _held) = (world.busy("a").await, world.busy("b").await);
    let wait = Duration::from_secs(2);
    let request = world.locks.lock_all(["a", "b"]).wait(wait).into_future();
    let release = async {
        tokio::time::sleep(wait / 2).await;
        first.release().await.expect("three nodes");
    };
    let (error, ()) = tokio::join!(request, release);
    let error = error.expect_err("another holds b");
    assert!(error.is_timed_out(), "{error}");
    assert!(error.to_string().contains("2000 ms of the wait"), "{error}");
}

/// Its connections are made one after the other, and each node has to accept the list of nodes first.
#[tokio::test]
async fn a_client_that_never_connected_and_does_not_wait_is_granted_what_is_free() {
    let cluster = Cluster::start(3).await;
    let _first = Redlock::connect(cluster.urls()).await.expect("three nodes");
    for number in 0..300 {
        let redlock = Redlock::builder().nodes(cluster.urls()).connect_lazy();
        let redlock = redlock.expect("three nodes");
        let request = redlock.lock(format!("invoice:{number}")).no_wait();
        // Without a token, a node would take an earlier try of the same owner for another holder.
        let guard = request.fencing(number % 2 == 0).await;
        let guard = guard.unwrap_or_else(|error| panic!("{number}: {error}"));
        guard.release().await.expect("released");
        redlock.close().await;
    }
}

/// Only one request of a process asks the nodes for a key. The others report what it found when their wait ends first.
#[tokio::test]
async fn a_wait_that_ends_while_no_quorum_can_vote_says_so_also_behind_another_request() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let held = redlock.lock("k").await.expect("free");
    held.release().await.expect("released");
    for node in 0..2 {
        cluster.node(node).restart_empty().await;
    }
    let first = tokio::spawn(redlock.lock("k").wait(MINUTE).into_future());
    // The first one has asked the nodes since they restarted.
    tests::eventually(SOON, async || {
        let error = redlock.lock("k").no_wait().await.expect_err("no quorum");
        error.is_no_quorum()
    })
    .await;
    let wait = Duration::from_millis(300);
    let behind = within(SOON, redlock.lock("k").wait(wait)).await;
    let alone = within(SOON, redlock.lock("other").wait(wait)).await;
    for error in [
        behind.expect_err("no quorum"),
        alone.expect_err("no quorum"),
    ] {
        assert_eq!(error.kind(), ErrorKind::NoQuorum, "{error}");
        let causes = error.node_errors().iter().map(redlock::NodeError::kind);
        let quarantined = causes.filter(|kind| *kind == FaultKind::Quarantined);
        assert_eq!(quarantined.count(), 2, "{error}");
        // The nodes vote once every lock that they may have forgotten is over.
        let after = error.retry_after().expect("it is known");
        assert!(after > SOON && after < 10 * MINUTE, "{error}");
        assert!(
            error.to_string().contains("enough of them vote again in"),
            "{error}"
        );
    }
    first.abort();
    // A request that finds the key held says that again.
    let healthy = Redlock::connect(Nodes::new(3).nodes())
        .await
        .expect("nodes");
    let _held = healthy.lock("k").await.expect("free");
    let error = healthy.lock("k").wait(wait).await.expect_err("held");
    assert!(error.is_timed_out(), "{error}");
}
