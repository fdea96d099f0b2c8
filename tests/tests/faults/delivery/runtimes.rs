//! Commands of a lock use any living runtime of the client, and wait for one if there is none.

use std::time::Duration;

use futures_util::FutureExt as _;
use redlock::{Guard, LockRequest, Redlock};
use tests::{Cluster, eventually, within};
use tokio::runtime::{Builder, Runtime};

use super::{LONG, SOON, connect};

fn current_thread() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn threaded() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Nodes on a runtime of their own, and a lock that was acquired on another one.
fn held(keep_alive: bool, ttl: Duration) -> (Runtime, Cluster, Runtime, Redlock, Guard) {
    let outside = threaded();
    let cluster = outside.block_on(Cluster::start(3));
    let inside = current_thread();
    let (redlock, guard) = inside.block_on(async {
        let redlock = connect(&cluster).await;
        let lock = redlock.lock("k:1").ttl(ttl).keep_alive(keep_alive);
        let guard = lock.await.expect("free");
        eventually(SOON, async || cluster.locked_on("k:1").await.len() == 3).await;
        (redlock, guard)
    });
    (outside, cluster, inside, redlock, guard)
}

async fn free_soon(cluster: &Cluster) {
    eventually(SOON, async || cluster.locked_on("k:1").await.is_empty()).await;
}

#[test]
fn f13_a_guard_whose_runtime_ended_is_dropped_while_another_runtime_only_waits() {
    let (outside, cluster, inside, redlock, guard) = held(false, LONG);
    let waiter = outside.spawn(async move { redlock.lock("k:1").wait(LONG).await });
    drop(inside);
    drop(guard);
    let guard = outside
        .block_on(async { within(SOON, waiter).await })
        .expect("no panic");
    outside.block_on(async {
        guard.expect("its turn").release().await.expect("held");
        free_soon(&cluster).await;
    });
}

#[test]
fn f13_a_release_without_a_runtime_is_sent_by_the_next_one() {
    let (outside, cluster, inside, redlock, guard) = held(false, LONG);
    drop(inside);
    drop(guard);
    outside.block_on(async {
        let guard = redlock.try_lock("k:1").await.expect("a quorum");
        drop(guard.expect("released before it is asked for"));
        free_soon(&cluster).await;
    });
}

#[test]
fn f13_releases_of_a_runtime_that_ended_are_sent_by_another() {
    let (outside, cluster, inside, redlock, guard) = held(false, LONG);
    // Dropped at the very end of the runtime: nothing is sent.
    inside.block_on(async { drop(guard) });
    outside.block_on(async { drop(redlock.lock("k:2").await.expect("free")) });
    drop(inside);
    outside.block_on(free_soon(&cluster));
}

#[test]
fn f19_a_guard_of_a_runtime_that_ended_is_extended_and_released_elsewhere() {
    let (outside, cluster, inside, _redlock, guard) = held(false, LONG);
    drop(inside);
    outside.block_on(async {
        guard.extend().await.expect("all nodes are up");
        guard.release().await.expect("held");
        free_soon(&cluster).await;
    });
}

/// A runtime that has not used the client before takes over the renewal with the guard.
#[test]
fn f19_a_lock_is_renewed_by_the_runtime_that_its_guard_has_moved_to() {
    const TTL: Duration = Duration::from_millis(1_500);
    let (outside, _cluster, inside, redlock, guard) = held(true, TTL);
    let others = inside.block_on(async {
        let reader = redlock.rwlock("k:2").read().ttl(TTL);
        let all = redlock.lock_all(["k:3", "k:4"]).ttl(TTL);
        (reader.await.expect("free"), all.await.expect("free"))
    });
    drop(inside);
    outside.block_on(async {
        let body = tokio::time::sleep(2 * TTL);
        guard.run(body).await.expect("renewed");
        assert!(!others.0.is_lost() && !others.1.is_lost(), "all are");
    });
}

#[test]
fn f19_a_guard_of_a_runtime_that_is_not_driven_is_extended_and_released_elsewhere() {
    let (outside, cluster, _inside, _redlock, guard) = held(false, LONG);
    outside.block_on(async {
        guard.extend().await.expect("all nodes are up");
        guard.release().await.expect("held");
        free_soon(&cluster).await;
    });
}

#[test]
fn f19_a_guard_of_a_runtime_that_is_not_driven_is_dropped_outside_of_any() {
    let (outside, cluster, _inside, redlock, guard) = held(false, LONG);
    drop(guard);
    outside.block_on(async {
        let guard = redlock.try_lock("k:1").await.expect("a quorum");
        drop(guard.expect("released before it is asked for"));
        free_soon(&cluster).await;
    });
}

#[test]
fn f19_renewal_continues_in_another_runtime() {
    let ttl = Duration::from_secs(3);
    for ends in [true, false] {
        let (outside, _cluster, inside, redlock, guard) = held(true, ttl);
        // The client is used here as well.
        let lock = redlock.lock("k:2").keep_alive(false);
        outside.block_on(async { drop(lock.await.expect("free")) });
        let still = (!ends).then_some(inside);
        outside.block_on(async { tokio::time::sleep(ttl * 2).await });
        assert!(!guard.is_lost(), "its runtime ended: {ends}");
        outside.block_on(guard.release()).expect("held");
        drop(still);
    }
}

/// A lease that passes from a guard in `inside` to one in `outside`. It can if a request waited when it was granted, and
/// only shortly after that, which a busy machine may miss: then it is tried again.
fn handed_over(inside: &Runtime, outside: &Runtime, ask: impl Fn() -> LockRequest) -> Guard {
    for _ in 0..200 {
        let (last, is_handed_over) = inside.block_on(async {
            let first = ask().await.expect("free");
            let second = tokio::spawn(ask().into_future());
            tokio::time::sleep(Duration::from_millis(2)).await;
            let last = outside.spawn(ask().into_future());
            tokio::time::sleep(Duration::from_millis(2)).await;
            first.release().await.expect("held");
            let second = within(SOON, second).await.expect("no panic");
            // A release that completes at once has asked no node.
            let released = second.expect("its turn").release().now_or_never();
            (last, released.is_some())
        });
        let last = outside.block_on(async { within(SOON, last).await });
        let last = last.expect("no panic").expect("its turn");
        if is_handed_over {
            return last;
        }
        outside.block_on(last.release()).expect("held");
    }
    panic!("no lease was handed over");
}

#[test]
fn f19_a_lock_that_was_handed_over_is_renewed_without_its_first_runtime() {
    let ttl = Duration::from_secs(3);
    for ends in [true, false] {
        let (outside, cluster, inside, redlock, guard) = held(true, ttl);
        inside.block_on(guard.release()).expect("held");
        let ask = || redlock.lock("k:1").ttl(ttl).wait(LONG);
        let guard = handed_over(&inside, &outside, ask);
        let still = (!ends).then_some(inside);
        outside.block_on(async {
            tokio::time::sleep(ttl * 2).await;
            assert!(!guard.is_lost(), "its first runtime ended: {ends}");
            guard.release().await.expect("held");
            free_soon(&cluster).await;
        });
        drop(still);
    }
}

/// Waits outside of any runtime.
fn block_on(future: impl Future<Output = ()>) {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    while future.as_mut().poll(&mut context).is_pending() {
        std::thread::park();
    }
}

#[test]
fn f19_the_end_of_the_validity_is_noticed_outside_of_a_runtime() {
    let (outside, _cluster, inside, redlock, guard) = held(false, Duration::from_secs(2));
    // Another runtime of the client continues.
    outside.block_on(async { drop(redlock.lock("k:2").await.expect("free")) });
    drop(inside);
    let (done, is_done) = std::sync::mpsc::channel();
    let lost = guard.lost();
    std::thread::spawn(move || {
        block_on(lost);
        let _ = done.send(());
    });
    is_done.recv_timeout(SOON).expect("long after its validity");
    assert!(guard.is_lost());
}

#[test]
fn f19_outside_of_a_runtime_there_is_an_error_and_no_panic() {
    let (outside, cluster, inside, redlock, guard) = held(false, LONG);
    let waiting = redlock.lock("k:1").wait(SOON).into_future().now_or_never();
    assert!(waiting.expect("at once").is_err(), "held in this process");
    assert!(guard.extend().now_or_never().expect("at once").is_err());
    assert!(guard.lost().now_or_never().is_none());
    assert!(guard.release().now_or_never().expect("at once").is_err());
    let holder = redlock.holder("k:1").now_or_never();
    assert!(holder.expect("at once").is_err());
    redlock.close().now_or_never().expect("at once");
    drop(inside);
    // The release was deferred.
    outside.block_on(async {
        redlock.health().await;
        free_soon(&cluster).await;
    });
}
