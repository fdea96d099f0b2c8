//! H4: the lock is lost while the handler runs.

use axum::{Router, body::Body, routing::post};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use redlock::memory::Nodes;
use redlock_tower::{
    HeldLock, HoldUntil, LockLost, OnLost, Reason, RedlockLayer, key, replay::MemoryStore,
};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tests::web::{Orders, SOON, all_free, locks, order, request, send, start};
use tests::{eventually, within};
use tower::ServiceExt as _;

const TTL: Duration = Duration::from_millis(400);

/// Stops a majority of the nodes.
fn partition(cluster: &Nodes) {
    cluster.node(0).stop();
    cluster.node(1).stop();
}

#[tokio::test]
async fn h4_a_loss_cancels_the_handler_and_is_a_503() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .ttl(TTL);
    let app = orders
        .route()
        .layer(layer.dedupe_for(Duration::from_secs(30)));

    let answer = start(&app, order("ann"));
    orders.wait_entered(1).await;
    partition(&cluster);
    let answer = within(SOON, answer).await.unwrap();
    assert_eq!((orders.running(), orders.finished()), (0, 0));
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.header("retry-after"),
        "",
        "the client must check before a retry"
    );
    assert_eq!(answer.json()["type"], "urn:problem-type:redlock:lost");
    assert_eq!(answer.reason(), Some(Reason::Lost));
    // A failure starts no cool-down.
    cluster.node(0).start();
    cluster.node(1).start();
    all_free(&cluster).await;
}

#[tokio::test]
async fn h4_a_loss_cancels_a_detached_handler_too() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .ttl(TTL);
    let app = orders
        .route()
        .layer(layer.on_disconnect(redlock_tower::OnDisconnect::Finish));
    let answer = start(&app, order("ann"));
    orders.wait_entered(1).await;
    partition(&cluster);
    assert_eq!(within(SOON, answer).await.unwrap().status, 503);
    assert_eq!((orders.running(), orders.finished()), (0, 0));
}

#[tokio::test]
async fn h4_with_signal_the_handler_finishes_and_its_response_is_sent() {
    let (cluster, redlock) = locks().await;
    let handler = async |lock: HeldLock| {
        assert!(!lock.is_lost());
        lock.lost().await;
        format!("lost: {}, {:?} left", lock.is_lost(), lock.remaining())
    };
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .ttl(TTL)
        .on_lost(OnLost::Signal);
    let app = Router::new().route("/orders", post(handler)).layer(layer);
    let answer = start(&app, order("ann"));
    eventually(SOON, async || !tests::web::held(&cluster).is_empty()).await;
    partition(&cluster);
    let answer = within(SOON, answer).await.unwrap();
    assert_eq!(
        (answer.status, answer.text()),
        (200, "lost: true, 0ns left")
    );
}

#[tokio::test]
async fn h4_a_response_after_a_loss_is_never_recorded() {
    let (cluster, redlock) = locks().await;
    let client = redlock.clone();
    let orders = Orders::blocked();
    let handler = {
        let orders = Arc::clone(&orders);
        move |lock: HeldLock| async move {
            orders.run().await;
            lock.lost().await;
            "too late"
        }
    };
    let layer = RedlockLayer::new(redlock, key::identity(key::header("x-user-id")))
        .ttl(TTL)
        .on_lost(OnLost::Signal);
    let app = Router::new()
        .route("/orders", post(handler))
        .layer(layer.replay(MemoryStore::new(), Duration::from_secs(60)));
    let submit = || {
        request(
            "POST",
            "/orders",
            &[("x-user-id", "ann"), ("idempotency-key", "1")],
            "",
        )
    };

    let answer = start(&app, submit());
    orders.wait_entered(1).await;
    partition(&cluster);
    orders.unblock(1);
    assert_eq!(within(SOON, answer).await.unwrap().body, "too late");
    cluster.node(0).start();
    cluster.node(1).start();
    all_free(&cluster).await;
    eventually(SOON, async || client.try_lock("reached").await.is_ok()).await;
    let again = start(&app, submit());
    orders.wait_entered(2).await;
    again.abort();
}

#[tokio::test]
async fn h4_max_hold_cancels_a_handler_that_never_returns() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .max_hold(Duration::from_millis(300));
    let app = orders.route().layer(layer);
    let answer = start(&app, order("ann"));
    orders.wait_entered(1).await;
    assert_eq!(within(SOON, answer).await.unwrap().status, 503);
    assert_eq!((orders.running(), orders.finished()), (0, 0));
    all_free(&cluster).await;
}

#[tokio::test]
async fn h4_a_body_ends_with_an_error_when_its_lock_is_lost() {
    let (cluster, redlock) = locks().await;
    let endless = async || {
        Body::from_stream(
            stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"part")) })
                .chain(stream::pending()),
        )
    };
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .ttl(TTL);
    let app = Router::new()
        .route("/orders", post(endless))
        .layer(layer.hold_until(HoldUntil::BodyEnd));
    let mut body = app.oneshot(order("ann")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    partition(&cluster);
    let error = within(SOON, body.frame()).await.unwrap().unwrap_err();
    let mut source: Option<&dyn std::error::Error> = Some(&error);
    while let Some(cause) = source {
        if cause.is::<LockLost>() {
            return;
        }
        source = cause.source();
    }
    panic!("another error: {error:?}");
}

#[tokio::test]
async fn h4_a_handler_that_returns_before_the_loss_is_noticed_succeeds() {
    let (cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, key::header("x-user-id")).no_wait();
    let handler = {
        let cluster = cluster.clone();
        move || async move {
            partition(&cluster);
            "done"
        }
    };
    let app = Router::new().route("/orders", post(handler)).layer(layer);
    // The release is unconfirmed, but the response is the handler's.
    assert_eq!(within(SOON, send(&app, order("ann"))).await.body, "done");
}
