//! H2: the client disconnects, the handler panics, the body streams for longer than the ttl.

use axum::{Router, body::Body, routing::post};
use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use http_body_util::BodyExt as _;
use redlock_tower::{HoldUntil, OnDisconnect, RedlockLayer, key};
use std::{convert::Infallible, time::Duration};
use tests::web::{Orders, SOON, all_free, held, locks, order, post_order, send, serve};
use tests::{eventually, within};
use tokio::time::sleep;
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;

#[tokio::test]
async fn h2_a_disconnect_cancels_the_handler_and_releases_the_lock() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let app = orders
        .route()
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait());
    let address = serve(app).await;

    let client = tokio::spawn(post_order(&reqwest::Client::new(), address, "ann").send());
    orders.wait_entered(1).await;
    client.abort();
    eventually(SOON, async || orders.running() == 0).await;
    assert_eq!(orders.finished(), 0);
    all_free(&cluster).await;
}

#[tokio::test]
async fn h2_with_finish_a_handler_keeps_its_lock_after_a_disconnect() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"));
    let app = orders
        .route()
        .layer(layer.no_wait().on_disconnect(OnDisconnect::Finish));
    let address = serve(app).await;
    let client = reqwest::Client::new();

    let gone = tokio::spawn(post_order(&client, address, "ann").send());
    orders.wait_entered(1).await;
    gone.abort();
    let _ = gone.await;
    let meanwhile = post_order(&client, address, "ann").send().await.unwrap();
    assert_eq!(meanwhile.status(), 409);
    assert_eq!(orders.running(), 1, "still running");

    orders.unblock(1);
    eventually(SOON, async || orders.finished() == 1).await;
    all_free(&cluster).await;
}

#[tokio::test]
async fn h2_a_success_after_a_disconnect_starts_the_cool_down() {
    let (_cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .dedupe_for(Duration::from_secs(30));
    let app = orders
        .route()
        .layer(layer.on_disconnect(OnDisconnect::Finish));

    let gone = tokio::spawn(app.clone().oneshot(order("ann")));
    orders.wait_entered(1).await;
    gone.abort();
    let _ = gone.await;
    orders.unblock(2);
    eventually(SOON, async || orders.finished() == 1).await;
    assert_eq!(send(&app, order("ann")).await.status, 409);
}

#[tokio::test]
async fn h2_a_panic_releases_the_lock() {
    for disconnect in [OnDisconnect::Cancel, OnDisconnect::Finish] {
        let (cluster, redlock) = locks().await;
        let layer = RedlockLayer::new(redlock, key::header("x-user-id")).no_wait();
        let app = Router::new()
            .route(
                "/orders",
                post(async || -> StatusCode { panic!("on purpose") }),
            )
            .layer(
                layer
                    .dedupe_for(Duration::from_secs(30))
                    .on_disconnect(disconnect),
            )
            .layer(CatchPanicLayer::new());
        assert_eq!(send(&app, order("ann")).await.status, 500, "{disconnect:?}");
        all_free(&cluster).await;
    }
}

/// A body of so many parts, one every 100 ms.
fn slow(parts: usize) -> Body {
    Body::from_stream(stream::unfold(parts, async |left| {
        let left = left.checked_sub(1)?;
        sleep(Duration::from_millis(100)).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(b"part")), left))
    }))
}

#[tokio::test]
async fn h2_a_body_holds_the_lock_for_longer_than_the_ttl() {
    for disconnect in [OnDisconnect::Cancel, OnDisconnect::Finish] {
        let (cluster, redlock) = locks().await;
        let layer = RedlockLayer::new(redlock, key::header("x-user-id")).no_wait();
        let layer = layer
            .ttl(Duration::from_millis(300))
            .hold_until(HoldUntil::BodyEnd);
        let app = Router::new()
            .route("/orders", post(async || slow(8)))
            .layer(layer.on_disconnect(disconnect));

        let mut streaming = app.clone().oneshot(order("ann")).await.unwrap().into_body();
        for _ in 0..7 {
            streaming.frame().await.unwrap().unwrap();
            assert_eq!(send(&app, order("ann")).await.status, 409, "{disconnect:?}");
        }
        let rest = within(SOON, streaming.collect()).await.unwrap().to_bytes();
        assert_eq!(rest.as_ref(), b"part");
        assert_eq!(
            held(&cluster),
            [""; 0],
            "released before the client reads the end"
        );
    }
}

#[tokio::test]
async fn h2_by_default_the_body_is_sent_without_the_lock() {
    let (cluster, redlock) = locks().await;
    let app = Router::new()
        .route("/orders", post(async || slow(3)))
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait());
    let streaming = app.oneshot(order("ann")).await.unwrap().into_body();
    assert_eq!(held(&cluster), [""; 0]);
    assert_eq!(streaming.collect().await.unwrap().to_bytes().len(), 12);
}

#[tokio::test]
async fn h2_a_body_dropped_before_its_end_releases_the_lock() {
    let (cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, key::header("x-user-id")).no_wait();
    let layer = layer
        .hold_until(HoldUntil::BodyEnd)
        .dedupe_for(Duration::from_secs(30));
    let app = Router::new()
        .route("/orders", post(async || slow(1000)))
        .layer(layer);

    let mut streaming = app.oneshot(order("ann")).await.unwrap().into_body();
    streaming.frame().await.unwrap().unwrap();
    assert_eq!(held(&cluster).len(), 1);
    drop(streaming);
    all_free(&cluster).await;
}

#[tokio::test]
async fn h2_a_body_of_known_length_releases_the_lock_before_its_last_byte() {
    let (cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .hold_until(HoldUntil::BodyEnd);
    let app = Router::new()
        .route("/orders", post(async || "ordered"))
        .layer(layer);
    let address = serve(app).await;
    let client = reqwest::Client::new();
    for turn in 0..50 {
        let response = post_order(&client, address, "ann").send().await.unwrap();
        assert_eq!(response.status(), 200, "turn {turn}");
        assert_eq!(response.text().await.unwrap(), "ordered");
        assert_eq!(held(&cluster), [""; 0], "turn {turn}");
    }
}
