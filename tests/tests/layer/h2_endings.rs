//! H2: the client disconnects, the handler panics, the body streams for longer than the ttl.

use super::support::{SOON, Shop, all_free, held, locks, order, send, serve, submit};
use axum::{Router, body::Body, routing::post};
use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use http_body_util::BodyExt as _;
use redlock_tower::{HoldUntil, OnDisconnect, RedlockLayer, key};
use std::{convert::Infallible, time::Duration};
use tests::{eventually, within};
use tokio::time::sleep;
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;

#[tokio::test]
async fn h2_a_disconnect_cancels_the_handler_and_frees_the_key() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let app = shop
        .route()
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait());
    let address = serve(app).await;

    let client = tokio::spawn(submit(&reqwest::Client::new(), address, "ann").send());
    shop.wait_entered(1).await;
    client.abort();
    eventually(SOON, async || shop.running() == 0).await;
    assert_eq!(shop.finished(), 0);
    all_free(&cluster).await;
}

#[tokio::test]
async fn h2_a_handler_may_finish_without_its_client_and_keeps_the_lock() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"));
    let app = shop
        .route()
        .layer(layer.no_wait().on_disconnect(OnDisconnect::Finish));
    let address = serve(app).await;
    let client = reqwest::Client::new();

    let gone = tokio::spawn(submit(&client, address, "ann").send());
    shop.wait_entered(1).await;
    gone.abort();
    let _ = gone.await;
    let meanwhile = submit(&client, address, "ann").send().await.unwrap();
    assert_eq!(meanwhile.status(), 409);
    assert_eq!(shop.running(), 1, "it runs on");

    shop.open(1);
    eventually(SOON, async || shop.finished() == 1).await;
    all_free(&cluster).await;
}

#[tokio::test]
async fn h2_a_success_without_its_client_still_has_its_window() {
    let (_cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .dedupe_for(Duration::from_secs(30));
    let app = shop
        .route()
        .layer(layer.on_disconnect(OnDisconnect::Finish));

    let gone = tokio::spawn(app.clone().oneshot(order("ann")));
    shop.wait_entered(1).await;
    gone.abort();
    let _ = gone.await;
    shop.open(2);
    eventually(SOON, async || shop.finished() == 1).await;
    assert_eq!(send(&app, order("ann")).await.status, 409);
}

#[tokio::test]
async fn h2_a_panic_frees_the_key() {
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

/// A body of `parts` parts, one each 100 ms.
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
        assert_eq!(held(&cluster), [""; 0], "free before the end was seen");
    }
}

#[tokio::test]
async fn h2_by_default_the_body_streams_without_the_lock() {
    let (cluster, redlock) = locks().await;
    let app = Router::new()
        .route("/orders", post(async || slow(3)))
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait());
    let streaming = app.oneshot(order("ann")).await.unwrap().into_body();
    assert_eq!(held(&cluster), [""; 0]);
    assert_eq!(streaming.collect().await.unwrap().to_bytes().len(), 12);
}

#[tokio::test]
async fn h2_a_body_that_nobody_reads_to_its_end_frees_the_key() {
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
async fn h2_a_body_of_known_length_frees_the_key_before_its_last_byte() {
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
        let response = submit(&client, address, "ann").send().await.unwrap();
        assert_eq!(response.status(), 200, "turn {turn}");
        assert_eq!(response.text().await.unwrap(), "ordered");
        assert_eq!(held(&cluster), [""; 0], "turn {turn}");
    }
}
