//! H3: the wait runs out; the quorum is gone.

use super::support::{SOON, Shop, locks, order, send, start};
use redlock_tower::{HeldLock, Reason, RedlockLayer, Rejection, key};
use std::time::{Duration, Instant};

#[tokio::test]
async fn h3_when_the_wait_runs_out_the_handler_does_not_run() {
    let (_cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let wait = Duration::from_millis(200);
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .ttl(Duration::from_secs(8))
        .wait(wait);
    let app = shop.route().layer(layer);

    let first = start(&app, order("ann"));
    shop.wait_entered(1).await;
    let asked = Instant::now();
    let second = send(&app, order("ann")).await;
    assert!(
        asked.elapsed() >= wait && asked.elapsed() < SOON,
        "{:?}",
        asked.elapsed()
    );
    assert_eq!((second.status, shop.entered()), (409, 1));
    assert_eq!(second.header("content-type"), "application/problem+json");
    assert_eq!(second.header("cache-control"), "no-store");
    let retry_after: u64 = second.header("retry-after").parse().unwrap();
    assert!((1..=8).contains(&retry_after), "{retry_after}");
    let problem = second.json();
    assert_eq!(problem["type"], "urn:problem-type:redlock:timed-out");
    assert_eq!(problem["status"], 409);
    assert_eq!(problem["retry_after"], retry_after);
    assert!(problem["title"].is_string() && problem["detail"].is_string());
    assert!(!second.body.contains("ann"), "the key is not echoed");

    shop.open(1);
    assert_eq!(first.await.unwrap().status, 201);
}

#[tokio::test]
async fn h3_without_a_quorum_the_handler_does_not_run() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::wide_open();
    let app = shop
        .route()
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait());
    cluster.node(0).stop();
    assert_eq!(
        send(&app, order("ann")).await.status,
        201,
        "two of three are a quorum"
    );

    cluster.node(1).stop();
    let answer = send(&app, order("ann")).await;
    assert_eq!((answer.status, shop.entered()), (503, 1));
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.json()["type"], "urn:problem-type:redlock:no-quorum");
    let rejection = answer.extensions.get::<Rejection>().unwrap();
    assert_eq!(rejection.reason(), Reason::NoQuorum);
    assert!(rejection.error().unwrap().is_no_quorum());
    assert_eq!(rejection.error().unwrap().node_errors().len(), 2);
}

#[tokio::test]
async fn h3_fail_open_runs_the_handler_without_the_lock_and_says_so() {
    let (cluster, redlock) = locks().await;
    let handler = async |lock: Option<HeldLock>| if lock.is_some() { "locked" } else { "open" };
    let app = axum::Router::new()
        .route("/orders", axum::routing::post(handler))
        .layer(
            RedlockLayer::new(redlock, key::header("x-user-id"))
                .no_wait()
                .fail_open(),
        );
    assert_eq!(send(&app, order("ann")).await.body, "locked");
    cluster.node(0).stop();
    cluster.node(1).stop();
    assert_eq!(send(&app, order("ann")).await.body, "open");
}

#[tokio::test]
async fn h3_fail_open_does_not_open_to_a_second_holder() {
    let (_cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .fail_open();
    let app = shop.route().layer(layer);
    let first = start(&app, order("ann"));
    shop.wait_entered(1).await;
    assert_eq!(send(&app, order("ann")).await.status, 409);
    shop.open(1);
    assert_eq!(first.await.unwrap().status, 201);
}

#[tokio::test]
async fn h3_a_closed_handle_is_no_reason_to_run_unlocked() {
    let (_cluster, redlock) = locks().await;
    let shop = Shop::wide_open();
    let layer = RedlockLayer::new(redlock.clone(), key::header("x-user-id"))
        .no_wait()
        .fail_open();
    let app = shop.route().layer(layer);
    redlock.close().await;
    let answer = send(&app, order("ann")).await;
    assert_eq!((answer.status, shop.entered()), (503, 0));
    assert_eq!(
        answer.extensions.get::<Rejection>().unwrap().reason(),
        Reason::Stopping
    );
}
