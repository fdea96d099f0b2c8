//! Permits by the layers and the attribute: the same option under the same name.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use redlock::{LockOptions, Redlock, Result, redlock};
use redlock_tower::{LockLayer, Reason, RedlockLayer, key};
use tests::{
    eventually,
    web::{Orders, locks, order, send, start},
    within,
};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::SOON;

#[redlock(key = "export", ttl = "10s", wait = "30s", permits = 2, lock = locks)]
async fn export(locks: &Redlock, inside: &AtomicUsize, most: &AtomicUsize) -> Result<()> {
    most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
    // Runs beside another request; bounded in case that one never comes.
    let two = eventually_two(most);
    let _ = tokio::time::timeout(Duration::from_secs(10), two).await;
    inside.fetch_sub(1, SeqCst);
    Ok(())
}

async fn eventually_two(most: &AtomicUsize) {
    while most.load(SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn the_attribute_limits_concurrent_calls() {
    let (_nodes, redlock) = locks().await;
    let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let calls = (0..5).map(|_| export(&redlock, &inside, &most));
    for call in within(SOON, futures_util::future::join_all(calls)).await {
        call.expect("a permit");
    }
    assert_eq!(most.load(SeqCst), 2);
}

#[tokio::test]
async fn the_http_layer_limits_concurrent_requests_of_a_key() {
    let (nodes, redlock) = locks().await;
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"));
    let app = orders.route().layer(layer.no_wait().permits(2));
    let (first, second) = (start(&app, order("ann")), start(&app, order("ann")));
    orders.wait_entered(2).await;
    let third = within(SOON, send(&app, order("ann"))).await;
    assert_eq!(third.reason(), Some(Reason::Busy));
    orders.unblock(2);
    for request in [first, second] {
        assert_eq!(within(SOON, request).await.expect("no panic").status, 201);
    }
    assert_eq!(orders.max_running(), 2);
    let free = || {
        let mut keys = nodes.nodes().into_iter().flat_map(|node| node.keys());
        !keys.any(|key| key.contains("permit:") && !key.ends_with(":fence"))
    };
    eventually(SOON, async || free()).await;
}

#[tokio::test]
async fn the_tower_layer_limits_concurrent_requests_of_a_key() {
    let (_nodes, redlock) = locks().await;
    let inside = Arc::new(tokio::sync::Barrier::new(2));
    let export = service_fn(move |(): ()| {
        let inside = Arc::clone(&inside);
        async move {
            inside.wait().await;
            Ok::<_, io::Error>(())
        }
    });
    let layer = LockLayer::new(redlock, |(): &()| Some("export".to_owned()));
    let service = layer.permits(2).layer(export);
    let both = [service.clone().oneshot(()), service.oneshot(())];
    for call in within(SOON, futures_util::future::join_all(both)).await {
        call.expect("a permit each");
    }
}

#[tokio::test]
async fn options_that_contradict_permits_are_a_clear_error() {
    let (_nodes, redlock) = locks().await;
    let mut options = LockOptions::default();
    options.permits = Some(2);
    options.dedupe_for = Some(Duration::from_secs(1));
    let error = redlock.lock("export").options(options.clone()).await;
    let text = error.expect_err("two windows").to_string();
    assert!(text.contains("`permits` and `dedupe_for`"), "{text}");
    options.dedupe_for = None;
    options.reentrant = true;
    let error = redlock.lock("export").options(options).await;
    let text = error.expect_err("nothing to join").to_string();
    assert!(text.contains("`permits` and `reentrant`"), "{text}");
}
