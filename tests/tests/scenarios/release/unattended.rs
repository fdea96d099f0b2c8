//! R3: a lock without an explicit release: dropped, panicked, closed, or without a runtime.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use redlock::Redlock;
use tests::{Cluster, eventually, within};
use tokio::runtime;

use crate::support::{KEY, LONG, SOON, connect};

#[tokio::test]
async fn r3_a_dropped_guard() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let guard = redlock.lock(KEY).ttl(LONG).await.expect("free");
    eventually(SOON, async || cluster.locked_on(KEY).await == [0, 1, 2]).await;
    drop(guard);
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

#[tokio::test]
async fn r3_dropping_never_blocks_also_while_all_nodes_hang() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let guard = redlock.lock(KEY).ttl(LONG).await.expect("free");
    for node in cluster.nodes() {
        node.pause();
    }
    let start = std::time::Instant::now();
    drop(guard);
    assert!(
        start.elapsed() < Duration::from_millis(100),
        "{:?}",
        start.elapsed()
    );
    for node in cluster.nodes() {
        node.resume();
    }
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

#[tokio::test]
async fn r3_a_body_that_panics() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let held = redlock.lock(KEY).ttl(LONG).await.expect("free");
    let panicked = tokio::spawn(async move {
        let _held = held;
        panic!("on purpose");
    });
    assert!(panicked.await.expect_err("a panic").is_panic());
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;

    let body = redlock
        .lock(KEY)
        .ttl(LONG)
        .run(async |_| panic!("on purpose"));
    let panicked: Result<redlock::Result<()>, _> = AssertUnwindSafe(body).catch_unwind().await;
    assert!(panicked.is_err(), "the panic goes on to the caller");
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
}

#[tokio::test]
async fn r3_close_waits_for_the_releases() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let mut guards = Vec::new();
    for i in 0..100 {
        guards.push(
            redlock
                .lock(format!("k:{i}"))
                .ttl(LONG)
                .await
                .expect("free"),
        );
    }
    drop(guards);
    within(SOON, redlock.close()).await;
    // At once, not eventually.
    for i in 0..100 {
        assert!(
            cluster.locked_on(&format!("k:{i}")).await.is_empty(),
            "k:{i}"
        );
    }
    assert!(redlock.lock(KEY).await.expect_err("closed").is_closed());
    assert!(
        redlock
            .clone()
            .try_lock(KEY)
            .await
            .expect_err("closed")
            .is_closed()
    );
}

#[tokio::test]
async fn r3_close_is_bounded_while_nodes_hang() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let guard = redlock.lock(KEY).ttl(LONG).await.expect("free");
    for node in cluster.nodes() {
        node.pause();
    }
    drop(guard);
    within(SOON, redlock.close()).await;
    for node in cluster.nodes() {
        node.resume();
    }
}

fn current_thread() -> runtime::Runtime {
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// The nodes live on a runtime of their own; the runtime of the lock ends while it is held.
#[test]
fn r3_the_runtime_ends_without_a_release() {
    let outside = current_thread();
    let cluster = outside.block_on(Cluster::start(3));
    let ttl = Duration::from_secs(2);
    let inside = current_thread();
    let (redlock, guard) = inside.block_on(async {
        let redlock = connect(&cluster).await;
        let guard = redlock
            .lock(KEY)
            .ttl(ttl)
            .keep_alive(true)
            .await
            .expect("free");
        (redlock, guard)
    });
    drop(inside);
    outside.block_on(eventually(ttl + SOON, async || {
        cluster.locked_on(KEY).await.is_empty()
    }));
    assert!(guard.is_lost());
    // Outside of a runtime there is no panic.
    drop(guard);
    // The handle still works, on a runtime that it has never seen.
    current_thread().block_on(async {
        let guard = redlock
            .lock(KEY)
            .ttl(LONG)
            .wait(SOON)
            .await
            .expect("from another runtime");
        guard.extend().await.expect("held");
        guard.release().await.expect("released");
    });
    outside.block_on(eventually(SOON, async || {
        cluster.locked_on(KEY).await.is_empty()
    }));
}

/// Acquired on a runtime that has ended when the guard is dropped on another one: the ttl is long, so it must be released.
#[test]
fn r3_a_guard_outlives_its_runtime_and_is_dropped_on_another() {
    let outside = current_thread();
    let cluster = outside.block_on(Cluster::start(3));
    let inside = current_thread();
    let (redlock, guard) = inside.block_on(async {
        let redlock = connect(&cluster).await;
        let guard = redlock.lock(KEY).ttl(LONG).await.expect("free");
        (redlock, guard)
    });
    drop(inside);
    outside.block_on(async {
        assert_eq!(cluster.locked_on(KEY).await, [0, 1, 2]);
        redlock
            .lock("another")
            .await
            .expect("the handle is at home here now")
            .release()
            .await
            .expect("released");
        drop(guard);
        eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
    });
}

/// Dropped on a plain thread, while the runtime that acquired it lives.
#[test]
fn r3_a_guard_is_dropped_without_a_runtime() {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let cluster = runtime.block_on(Cluster::start(3));
    let guard = runtime.block_on(async {
        connect(&cluster)
            .await
            .lock(KEY)
            .ttl(LONG)
            .await
            .expect("free")
    });
    drop(guard);
    runtime.block_on(eventually(SOON, async || {
        cluster.locked_on(KEY).await.is_empty()
    }));
}

/// Built lazily outside of a runtime, as in a `static`.
#[test]
fn r3_a_handle_is_built_before_there_is_a_runtime() {
    let runtime = current_thread();
    let cluster = runtime.block_on(Cluster::start(3));
    let redlock = Redlock::connect_lazy(cluster.urls()).expect("three addresses");
    for _ in 0..2 {
        current_thread().block_on(async {
            redlock
                .lock(KEY)
                .ttl(LONG)
                .wait(SOON)
                .await
                .expect("free")
                .release()
                .await
                .expect("released");
        });
    }
    runtime.block_on(eventually(SOON, async || {
        cluster.locked_on(KEY).await.is_empty()
    }));
}
