//! H3: the wait is over, or there is no quorum.

use redlock_tower::{HeldLock, Reason, RedlockLayer, Rejection, key};
use std::time::{Duration, Instant};
use tests::web::{Orders, SOON, locks, order, send, start};

#[tokio::test]
async fn h3_a_request_that_times_out_does_not_run() {
    let (_cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let wait = Duration::from_millis(200);
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .ttl(Duration::from_secs(8))
        .wait(wait);
    let app = orders.route().layer(layer);

    let first = start(&app, order("ann"));
    orders.wait_entered(1).await;
    let asked = Instant::now();
    let second = send(&app, order("ann")).await;
    assert!(
        asked.elapsed() >= wait && asked.elapsed() < SOON,
        "{:?}",
        asked.elapsed()
    );
    assert_eq!((second.status, orders.entered()), (409, 1));
    assert_eq!(second.header("content-type"), "application/problem+json");
    assert_eq!(second.header("cache-control"), "no-store");
    let retry_after: u64 = second.header("retry-after").parse().unwrap();
    assert!((1..=8).contains(&retry_after), "{retry_after}");
    let problem = second.json();
    assert_eq!(problem["type"], "urn:problem-type:redlock:timed-out");
    assert_eq!(problem["status"], 409);
    assert_eq!(problem["retry_after"], retry_after);
    assert!(problem["title"].is_string() && problem["detail"].is_string());
    assert!(!second.text().contains("ann"), "the key is not echoed");

    orders.unblock(1);
    assert_eq!(first.await.unwrap().status, 201);
}

#[tokio::test]
async fn h3_without_a_quorum_requests_do_not_run() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::unblocked();
    let app = orders
        .route()
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait());
    cluster.node(0).stop();
    assert_eq!(
        send(&app, order("ann")).await.status,
        201,
        "two of three nodes are a quorum"
    );

    cluster.node(1).stop();
    let answer = send(&app, order("ann")).await;
    assert_eq!((answer.status, orders.entered()), (503, 1));
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.json()["type"], "urn:problem-type:redlock:no-quorum");
    let rejection = answer.extensions.get::<Rejection>().unwrap();
    assert_eq!(rejection.reason(), Reason::NoQuorum);
    assert!(rejection.error().unwrap().is_no_quorum());
    assert_eq!(rejection.error().unwrap().node_errors().len(), 2);
}

#[tokio::test]
async fn h3_fail_open_runs_the_handler_without_a_lock() {
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
async fn h3_fail_open_still_rejects_a_duplicate() {
    let (_cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .fail_open();
    let app = orders.route().layer(layer);
    let first = start(&app, order("ann"));
    orders.wait_entered(1).await;
    assert_eq!(send(&app, order("ann")).await.status, 409);
    orders.unblock(1);
    assert_eq!(first.await.unwrap().status, 201);
}

#[tokio::test]
async fn h3_fail_open_does_not_run_requests_of_a_closed_client() {
    let (_cluster, redlock) = locks().await;
    let orders = Orders::unblocked();
    let layer = RedlockLayer::new(redlock.clone(), key::header("x-user-id"))
        .no_wait()
        .fail_open();
    let app = orders.route().layer(layer);
    redlock.close().await;
    let answer = send(&app, order("ann")).await;
    assert_eq!((answer.status, orders.entered()), (503, 0));
    assert_eq!(answer.reason(), Some(Reason::Stopping));
}
