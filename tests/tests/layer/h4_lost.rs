//! H4: the lock is lost while the handler runs.

use super::support::{SOON, Shop, all_free, locks, order, request, send, start};
use axum::{Router, body::Body, routing::post};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use redlock::memory::Cluster;
use redlock_tower::{
    HeldLock, HoldUntil, LockLost, OnLost, Reason, RedlockLayer, Rejection, key,
    replay::MemoryStore,
};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tests::{eventually, within};
use tower::ServiceExt as _;

const TTL: Duration = Duration::from_millis(400);

/// Takes the majority away.
fn partition(cluster: &Cluster) {
    cluster.node(0).stop();
    cluster.node(1).stop();
}

#[tokio::test]
async fn h4_the_handler_is_cancelled_and_the_client_told() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .ttl(TTL);
    let app = shop
        .route()
        .layer(layer.dedupe_for(Duration::from_secs(30)));

    let answer = start(&app, order("ann"));
    shop.wait_entered(1).await;
    partition(&cluster);
    let answer = within(SOON, answer).await.unwrap();
    assert_eq!((shop.running(), shop.finished()), (0, 0));
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.header("retry-after"),
        "",
        "a blind retry is no good advice"
    );
    assert_eq!(answer.json()["type"], "urn:problem-type:redlock:lost");
    assert_eq!(
        answer.extensions.get::<Rejection>().unwrap().reason(),
        Reason::Lost
    );
    // no window after what was no success
    cluster.node(0).start();
    cluster.node(1).start();
    all_free(&cluster).await;
}

#[tokio::test]
async fn h4_cancelled_also_where_it_would_outlive_its_client() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .ttl(TTL);
    let app = shop
        .route()
        .layer(layer.on_disconnect(redlock_tower::OnDisconnect::Finish));
    let answer = start(&app, order("ann"));
    shop.wait_entered(1).await;
    partition(&cluster);
    assert_eq!(within(SOON, answer).await.unwrap().status, 503);
    assert_eq!((shop.running(), shop.finished()), (0, 0));
}

#[tokio::test]
async fn h4_the_handler_is_signalled_and_its_own_answer_goes_out() {
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
    eventually(SOON, async || !super::support::held(&cluster).is_empty()).await;
    partition(&cluster);
    let answer = within(SOON, answer).await.unwrap();
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "lost: true, 0ns left")
    );
}

#[tokio::test]
async fn h4_what_a_signalled_handler_answers_is_never_kept() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let handler = {
        let shop = Arc::clone(&shop);
        move |lock: HeldLock| async move {
            shop.visit().await;
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
    shop.wait_entered(1).await;
    partition(&cluster);
    shop.open(1);
    assert_eq!(within(SOON, answer).await.unwrap().body, "too late");
    cluster.node(0).start();
    cluster.node(1).start();
    all_free(&cluster).await;
    let again = start(&app, submit());
    shop.wait_entered(2).await;
    again.abort();
}

#[tokio::test]
async fn h4_max_hold_ends_a_handler_that_never_does() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .max_hold(Duration::from_millis(300));
    let app = shop.route().layer(layer);
    let answer = start(&app, order("ann"));
    shop.wait_entered(1).await;
    assert_eq!(within(SOON, answer).await.unwrap().status, 503);
    assert_eq!((shop.running(), shop.finished()), (0, 0));
    all_free(&cluster).await;
}

#[tokio::test]
async fn h4_a_body_is_cut_off_so_that_nobody_takes_it_for_whole() {
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
async fn h4_a_lock_lost_in_a_moment_of_a_quick_handler_changes_nothing() {
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
    // the release is not confirmed, the answer is the handler's all the same
    assert_eq!(within(SOON, send(&app, order("ann"))).await.body, "done");
}
