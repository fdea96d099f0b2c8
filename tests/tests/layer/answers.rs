//! What the layer answers with, and how to change it.

use super::support::{Shop, locks, order, send, start};
use axum::{
    Router,
    response::{Html, IntoResponse as _},
    routing::post,
};
use redlock_tower::{BusyStatus, Key, Reason, RedlockLayer, Rejection, key};
use std::time::Duration;

#[tokio::test]
async fn the_status_for_a_busy_key_is_a_choice() {
    for (status, code) in [
        (BusyStatus::Conflict, 409),
        (BusyStatus::Locked, 423),
        (BusyStatus::TooManyRequests, 429),
    ] {
        let (_cluster, redlock) = locks().await;
        let shop = Shop::closed();
        let app = shop.route().layer(
            RedlockLayer::new(redlock, key::header("x-user-id"))
                .no_wait()
                .busy_status(status),
        );
        let first = start(&app, order("ann"));
        shop.wait_entered(1).await;
        let second = send(&app, order("ann")).await;
        assert_eq!(second.status, code);
        assert_eq!(second.json()["status"], code);
        assert_eq!(second.json()["type"], "urn:problem-type:redlock:busy");
        shop.open(1);
        assert_eq!(first.await.unwrap().status, 201);
    }
}

#[tokio::test]
async fn retry_after_is_what_is_left_of_the_lease() {
    let (_cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .ttl(Duration::from_millis(3500));
    let app = shop.route().layer(layer);
    let first = start(&app, order("ann"));
    shop.wait_entered(1).await;
    let second = send(&app, order("ann")).await;
    let seconds: u64 = second.header("retry-after").parse().unwrap();
    assert!((3..=4).contains(&seconds), "{seconds}");
    shop.open(1);
    assert_eq!(first.await.unwrap().status, 201);
}

#[tokio::test]
async fn an_answer_of_ones_own_still_carries_the_reason() {
    let (_cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .on_reject(|rejection: &Rejection, _: &http::request::Parts| {
            (
                rejection.status(),
                Html(format!(
                    "<p>{}: {}",
                    rejection.reason().as_str(),
                    rejection.title()
                )),
            )
                .into_response()
        });
    let app = shop.route().layer(layer);
    let first = start(&app, order("ann"));
    shop.wait_entered(1).await;
    let second = send(&app, order("ann")).await;
    assert_eq!(second.status, 409);
    assert!(second.body.starts_with("<p>busy: "), "{}", second.body);
    assert_eq!(second.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(
        second.extensions.get::<Rejection>().unwrap().reason(),
        Reason::Busy
    );
    shop.open(1);
    assert_eq!(first.await.unwrap().status, 201);
}

#[tokio::test]
async fn a_handlers_own_409_is_told_from_the_layers() {
    let (_cluster, redlock) = locks().await;
    let app = Router::new()
        .route("/orders", post(async || http::StatusCode::CONFLICT))
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait());
    let answer = send(&app, order("ann")).await;
    assert_eq!(answer.status, 409);
    assert!(answer.extensions.get::<Rejection>().is_none());
}

#[tokio::test]
async fn an_exact_key_that_is_none_is_the_servers_mistake() {
    let (_cluster, redlock) = locks().await;
    let shop = Shop::wide_open();
    let app = shop
        .route()
        .layer(RedlockLayer::new(redlock, |_: &http::request::Parts| {
            Some(Key::exact("fence{"))
        }));
    let answer = send(&app, order("ann")).await;
    assert_eq!((answer.status, shop.entered()), (500, 0));
    assert_eq!(
        answer.extensions.get::<Rejection>().unwrap().reason(),
        Reason::Misconfigured
    );
    assert!(!answer.body.contains("fence"));
}

#[tokio::test]
async fn a_ttl_that_cannot_be_is_the_servers_mistake() {
    for ttl in [Duration::ZERO, Duration::MAX] {
        let (_cluster, redlock) = locks().await;
        let shop = Shop::wide_open();
        let app = shop
            .route()
            .layer(RedlockLayer::new(redlock, key::header("x-user-id")).ttl(ttl));
        assert_eq!(
            (send(&app, order("ann")).await.status, shop.entered()),
            (500, 0),
            "{ttl:?}"
        );
    }
}

#[tokio::test]
async fn the_same_key_twice_around_a_handler_is_told_and_not_waited_for() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::wide_open();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id")).namespace("orders");
    let app = shop.route().layer(layer.clone()).layer(layer.clone());
    let answer = send(&app, order("ann")).await;
    assert_eq!((answer.status, shop.entered()), (500, 0));
    assert_eq!(
        answer.extensions.get::<Rejection>().unwrap().reason(),
        Reason::AlreadyHeld
    );

    let app = shop.route().layer(layer.clone().reentrant()).layer(layer);
    assert_eq!(send(&app, order("ann")).await.status, 201);
    super::support::all_free(&cluster).await;
}

#[tokio::test]
async fn a_handler_answers_for_a_lock_of_its_own_as_the_layer_does() {
    let (_cluster, redlock) = locks().await;
    let handler = {
        let redlock = redlock.clone();
        move || async move {
            let guard = redlock.lock("invoice-numbers").no_wait().await?;
            Ok::<_, Rejection>(guard.run(async { "renumbered" }).await?)
        }
    };
    let app = Router::new().route("/orders", post(handler));
    assert_eq!(send(&app, order("ann")).await.body, "renumbered");
    let _held = redlock.lock("invoice-numbers").await.unwrap();
    let busy = send(&app, order("ann")).await;
    assert_eq!(busy.status, 409);
    assert!(busy.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(busy.json()["type"], "urn:problem-type:redlock:busy");
    assert!(!busy.body.contains("invoice"), "the key is not echoed");
    assert_eq!(
        busy.extensions.get::<Rejection>().unwrap().reason(),
        Reason::Busy
    );
}
