//! The sides of a read/write lock by the layers and the attribute: the same options under the same names.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use axum::{Router, routing::get};
use redlock::{Redlock, Result, redlock};
use redlock_tower::{LockLayer, Reason, RedlockLayer, key};
use tests::{
    eventually,
    web::{Orders, locks, order, request, send, start},
    within,
};
use tokio::sync::Barrier;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::SOON;

#[redlock(key = "catalog", ttl = "10s", read, lock = locks)]
async fn look(locks: &Redlock, two: &Barrier) -> Result<()> {
    two.wait().await;
    Ok(())
}

#[redlock(key = "catalog", ttl = "10s", write, wait = "30s", lock = locks)]
async fn change(locks: &Redlock, inside: &AtomicUsize) -> Result<()> {
    assert_eq!(inside.fetch_add(1, SeqCst), 0, "two write");
    tokio::task::yield_now().await;
    let reader = locks.rwlock("catalog").read().no_wait();
    let reader = tokio::spawn(reader.into_future()).await.expect("no panic");
    assert!(reader.expect_err("somebody writes").is_busy());
    inside.fetch_sub(1, SeqCst);
    Ok(())
}

#[tokio::test]
async fn functions_with_the_attribute_read_together_and_write_alone() {
    let (_nodes, redlock) = locks().await;
    let two = Barrier::new(2);
    let both = futures_util::future::join(look(&redlock, &two), look(&redlock, &two));
    let (first, second) = within(SOON, both).await;
    first.and(second).expect("they read together");
    let inside = AtomicUsize::new(0);
    let writes = (0..3).map(|_| change(&redlock, &inside));
    for write in within(SOON, futures_util::future::join_all(writes)).await {
        write.expect("a turn");
    }
}

#[tokio::test]
async fn requests_of_a_reading_route_run_together_and_exclude_a_writing_one() {
    let (nodes, redlock) = locks().await;
    let (reads, writes) = (Orders::blocked(), Orders::blocked());
    let layer = || RedlockLayer::new(redlock.clone(), key::header("x-user-id")).no_wait();
    let reading = reads.route().layer(layer().read());
    let writing = writes.route().layer(layer().write());
    let both = [start(&reading, order("ann")), start(&reading, order("ann"))];
    reads.wait_entered(2).await;
    let refused = within(SOON, send(&writing, order("ann"))).await;
    assert_eq!(refused.reason(), Some(Reason::Busy));
    reads.unblock(2);
    for request in both {
        assert_eq!(within(SOON, request).await.expect("no panic").status, 201);
    }
    let free = || {
        let mut keys = nodes.nodes().into_iter().flat_map(|node| node.keys());
        !keys.any(|key| key.ends_with("rw:readers") || key.ends_with("rw:writer"))
    };
    eventually(SOON, async || free()).await;
    let writer = start(&writing, order("ann"));
    writes.wait_entered(1).await;
    let refused = within(SOON, send(&reading, order("ann"))).await;
    assert_eq!(refused.reason(), Some(Reason::Busy));
    // Readers are locked whatever their method is.
    let looking = Router::new().route("/orders", get(async || "nobody writes"));
    let looking = looking.layer(layer().read());
    let look = || request("GET", "/orders", &[("x-user-id", "ann")], "");
    let refused = within(SOON, send(&looking, look())).await;
    assert_eq!(refused.reason(), Some(Reason::Busy));
    writes.unblock(1);
    assert_eq!(within(SOON, writer).await.expect("no panic").status, 201);
    eventually(SOON, async || free()).await;
    assert_eq!(within(SOON, send(&looking, look())).await.status, 200);
}

#[tokio::test]
async fn calls_of_a_reading_service_run_together() {
    let (_nodes, redlock) = locks().await;
    let inside = Arc::new(Barrier::new(2));
    let look = service_fn(move |(): ()| {
        let inside = Arc::clone(&inside);
        async move {
            inside.wait().await;
            Ok::<_, io::Error>(())
        }
    });
    let layer = LockLayer::new(redlock.clone(), |(): &()| Some("catalog".to_owned()));
    let service = layer.read().layer(look);
    let both = [service.clone().oneshot(()), service.oneshot(())];
    for call in within(SOON, futures_util::future::join_all(both)).await {
        call.expect("they read together");
    }
    let layer = LockLayer::new(redlock, |(): &()| Some("catalog".to_owned()));
    let alone = layer
        .write()
        .layer(service_fn(|(): ()| async { Ok::<_, io::Error>(()) }));
    within(SOON, alone.oneshot(())).await.expect("nobody reads");
}
