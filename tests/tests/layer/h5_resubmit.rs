//! H5: the client submits again right after the first response.

use axum::{Router, routing::post};
use http::StatusCode;
use redlock_tower::{RedlockLayer, key};
use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::{Duration, Instant},
};
use tests::eventually;
use tests::web::{Orders, all_free, locks, order, post_order, send, serve, start};

#[tokio::test]
async fn h5_a_sequential_resubmit_never_meets_an_unfinished_release() {
    let (_cluster, redlock) = locks().await;
    let orders = Orders::unblocked();
    let address = serve(
        orders
            .route()
            .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait()),
    )
    .await;
    for client in [
        reqwest::Client::new(),
        reqwest::Client::builder()
            .http2_prior_knowledge()
            .build()
            .unwrap(),
        reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap(),
    ] {
        for turn in 0..200 {
            let response = post_order(&client, address, "ann").send().await.unwrap();
            assert_eq!(response.status(), 201, "turn {turn}");
        }
    }
    assert_eq!(orders.entered(), 600);
}

#[tokio::test]
async fn h5_duplicates_in_the_cool_down_are_rejected() {
    let (_cluster, redlock) = locks().await;
    let orders = Orders::unblocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .dedupe_for(Duration::from_secs(30));
    let address = serve(orders.route().layer(layer)).await;
    let client = reqwest::Client::new();

    assert_eq!(
        post_order(&client, address, "ann")
            .send()
            .await
            .unwrap()
            .status(),
        201
    );
    for turn in 0..50 {
        let response = post_order(&client, address, "ann").send().await.unwrap();
        assert_eq!(response.status(), 409, "turn {turn}");
        let retry_after: u64 = response.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((20..=30).contains(&retry_after), "{retry_after}");
    }
    assert_eq!(
        post_order(&client, address, "bob")
            .send()
            .await
            .unwrap()
            .status(),
        201
    );
    assert_eq!(orders.entered(), 2);
}

#[tokio::test]
async fn h5_the_cool_down_ends() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::unblocked();
    let cool_down = Duration::from_millis(300);
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .dedupe_for(cool_down);
    let app = orders.route().layer(layer);
    let asked = Instant::now();
    assert_eq!(send(&app, order("ann")).await.status, 201);
    eventually(Duration::from_secs(5), async || {
        send(&app, order("ann")).await.status == 201
    })
    .await;
    assert!(asked.elapsed() >= cool_down);
    all_free(&cluster).await;
}

#[tokio::test]
async fn h5_a_failure_starts_no_cool_down() {
    let (_cluster, redlock) = locks().await;
    let turns = AtomicUsize::new(0);
    let turns: &'static AtomicUsize = Box::leak(Box::new(turns));
    let handler = move || async move {
        match turns.fetch_add(1, SeqCst) {
            0 => StatusCode::BAD_GATEWAY,
            1 => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::CREATED,
        }
    };
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .dedupe_for(Duration::from_secs(30));
    let defaults = Router::new()
        .route("/orders", post(handler))
        .layer(layer.clone());
    assert_eq!(send(&defaults, order("ann")).await.status, 502);
    assert_eq!(
        send(&defaults, order("ann")).await.status,
        422,
        "free after the 502"
    );
    assert_eq!(
        send(&defaults, order("ann")).await.status,
        201,
        "free after the 422"
    );
    assert_eq!(send(&defaults, order("ann")).await.status, 409);

    turns.store(1, SeqCst);
    let lenient =
        layer.failure_if(|response: &http::response::Parts| response.status.is_server_error());
    let lenient = Router::new().route("/orders", post(handler)).layer(lenient);
    assert_eq!(send(&lenient, order("bob")).await.status, 422);
    assert_eq!(send(&lenient, order("bob")).await.status, 409);
}

#[tokio::test]
async fn h5_a_cancelled_handler_starts_no_cool_down() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .dedupe_for(Duration::from_secs(30));
    let app = orders.route().layer(layer);
    let gone = start(&app, order("ann"));
    orders.wait_entered(1).await;
    gone.abort();
    all_free(&cluster).await;
}
