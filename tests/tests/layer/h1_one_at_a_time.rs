//! H1: two identical POSTs of one user on two instances.

use axum::Router;
use redlock::Redlock;
use redlock_tower::{RedlockLayer, key};
use std::{sync::Arc, time::Duration};
use tests::web::{Orders, SOON, all_free, connect, locks, order, request, send, start};
use tests::{
    proxy::{Direction, Flow, Proxy},
    within,
};

#[tokio::test]
async fn h1_a_duplicate_is_rejected_and_other_users_are_not_affected() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let here = orders
        .route()
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait());
    let there = orders
        .route()
        .layer(RedlockLayer::new(connect(&cluster).await, key::header("x-user-id")).no_wait());

    let first = start(&here, order("ann"));
    orders.wait_entered(1).await;
    let second = send(&there, order("ann")).await;
    assert_eq!((second.status, orders.entered()), (409, 1));
    let other = start(&there, order("bob"));
    orders.wait_entered(2).await;

    orders.unblock(2);
    assert_eq!(first.await.unwrap().status, 201);
    assert_eq!(other.await.unwrap().status, 201);
    assert_eq!(orders.max_running(), 2, "both users run at the same time");
    all_free(&cluster).await;
}

#[tokio::test]
async fn h1_duplicates_wait_for_their_turn() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let here = orders
        .route()
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).wait(SOON));
    let there = orders
        .route()
        .layer(RedlockLayer::new(connect(&cluster).await, key::header("x-user-id")).wait(SOON));

    let first = start(&here, order("ann"));
    orders.wait_entered(1).await;
    let others: Vec<_> = (0..6)
        .map(|i| start([&here, &there][i % 2], order("ann")))
        .collect();
    tokio::task::yield_now().await;
    orders.unblock(7);
    assert_eq!(first.await.unwrap().status, 201);
    for other in others {
        assert_eq!(within(SOON, other).await.unwrap().status, 201);
    }
    assert_eq!((orders.entered(), orders.max_running()), (7, 1));
    all_free(&cluster).await;
}

#[tokio::test]
async fn h1_requests_without_a_key_run_concurrently() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let app = orders
        .route()
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait());

    let without_key = [
        start(&app, request("POST", "/orders", &[], "")),
        start(&app, request("POST", "/orders", &[], "")),
        start(&app, request("POST", "/orders", &[("x-user-id", "")], "")),
        start(&app, request("POST", "/orders", &[("x-user-id", "")], "")),
    ];
    orders.wait_entered(4).await;
    assert!(tests::web::held(&cluster).is_empty());
    orders.unblock(4);
    for request in without_key {
        assert_eq!(request.await.unwrap().status, 201);
    }
}

#[tokio::test]
async fn h1_a_missing_required_key_is_400() {
    let (_cluster, redlock) = locks().await;
    let orders = Orders::unblocked();
    let app = orders
        .route()
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).required());

    let answer = send(&app, request("POST", "/orders", &[], "")).await;
    assert_eq!((answer.status, orders.entered()), (400, 0));
    assert_eq!(answer.json()["type"], "urn:problem-type:redlock:no-key");
    assert_eq!(send(&app, order("ann")).await.status, 201);
}

/// An instance with a delay of 20 ms to the nodes in `far`.
async fn instance(
    cluster: &tests::Cluster,
    far: [usize; 2],
    orders: &Arc<Orders>,
) -> (Router, Vec<Proxy>) {
    let proxies = Proxy::before_all(cluster).await;
    let redlock = Redlock::connect(proxies.iter().map(Proxy::url))
        .await
        .unwrap();
    for node in far {
        proxies[node].set(Direction::ToServer, Flow::delay(Duration::from_millis(20)));
    }
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .dedupe_for(Duration::from_secs(30));
    (orders.route().layer(layer), proxies)
}

#[tokio::test]
async fn h1_one_of_two_requests_with_split_votes_runs() {
    // Each instance is the first at two of the four nodes, so neither has a majority.
    let cluster = tests::Cluster::start(4).await;
    let orders = Orders::unblocked();
    let (here, _proxies) = instance(&cluster, [2, 3], &orders).await;
    let (there, _more) = instance(&cluster, [0, 1], &orders).await;
    for turn in 0..20 {
        let user = format!("user-{turn}");
        let (one, other) = tokio::join!(send(&here, order(&user)), send(&there, order(&user)));
        let mut both = [one.status, other.status];
        both.sort_unstable();
        assert_eq!(both, [201, 409], "turn {turn}");
    }
    assert_eq!(orders.entered(), 20);
}
