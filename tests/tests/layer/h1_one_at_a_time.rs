//! H1: two identical POSTs of one user on two instances.

use super::support::{SOON, Shop, all_free, connect, locks, order, request, send, start};
use axum::Router;
use redlock::Redlock;
use redlock_tower::{RedlockLayer, key};
use std::{sync::Arc, time::Duration};
use tests::{
    proxy::{Direction, Flow, Proxy},
    within,
};

#[tokio::test]
async fn h1_the_second_is_refused_and_other_users_are_not_held_up() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let here = shop
        .route()
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait());
    let there = shop
        .route()
        .layer(RedlockLayer::new(connect(&cluster).await, key::header("x-user-id")).no_wait());

    let first = start(&here, order("ann"));
    shop.wait_entered(1).await;
    let second = send(&there, order("ann")).await;
    assert_eq!((second.status, shop.entered()), (409, 1));
    let other = start(&there, order("bob"));
    shop.wait_entered(2).await;

    shop.open(2);
    assert_eq!(first.await.unwrap().status, 201);
    assert_eq!(other.await.unwrap().status, 201);
    assert_eq!(shop.most(), 2, "both users were inside together");
    all_free(&cluster).await;
}

#[tokio::test]
async fn h1_the_second_waits_for_its_turn() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let here = shop
        .route()
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).wait(SOON));
    let there = shop
        .route()
        .layer(RedlockLayer::new(connect(&cluster).await, key::header("x-user-id")).wait(SOON));

    let first = start(&here, order("ann"));
    shop.wait_entered(1).await;
    let others: Vec<_> = (0..6)
        .map(|i| start([&here, &there][i % 2], order("ann")))
        .collect();
    tokio::task::yield_now().await;
    shop.open(7);
    assert_eq!(first.await.unwrap().status, 201);
    for other in others {
        assert_eq!(within(SOON, other).await.unwrap().status, 201);
    }
    assert_eq!((shop.entered(), shop.most()), (7, 1));
    all_free(&cluster).await;
}

#[tokio::test]
async fn h1_requests_without_a_key_share_none() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let app = shop
        .route()
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait());

    let nobody = [
        start(&app, request("POST", "/orders", &[], "")),
        start(&app, request("POST", "/orders", &[], "")),
        start(&app, request("POST", "/orders", &[("x-user-id", "")], "")),
        start(&app, request("POST", "/orders", &[("x-user-id", "")], "")),
    ];
    shop.wait_entered(4).await;
    assert!(super::support::held(&cluster).is_empty());
    shop.open(4);
    for request in nobody {
        assert_eq!(request.await.unwrap().status, 201);
    }
}

#[tokio::test]
async fn h1_a_required_key_is_asked_for() {
    let (_cluster, redlock) = locks().await;
    let shop = Shop::wide_open();
    let app = shop
        .route()
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")).required());

    let answer = send(&app, request("POST", "/orders", &[], "")).await;
    assert_eq!((answer.status, shop.entered()), (400, 0));
    assert_eq!(answer.json()["type"], "urn:problem-type:redlock:no-key");
    assert_eq!(send(&app, order("ann")).await.status, 201);
}

/// One more instance, to which the nodes in `far` are 20 ms away.
async fn instance(
    cluster: &tests::Cluster,
    far: [usize; 2],
    shop: &Arc<Shop>,
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
    (shop.route().layer(layer), proxies)
}

#[tokio::test]
async fn h1_of_two_that_split_the_votes_one_runs() {
    // each instance is first at its two of the four nodes, and neither has a majority
    let cluster = tests::Cluster::start(4).await;
    let shop = Shop::wide_open();
    let (here, _proxies) = instance(&cluster, [2, 3], &shop).await;
    let (there, _more) = instance(&cluster, [0, 1], &shop).await;
    for turn in 0..20 {
        let user = format!("user-{turn}");
        let (one, other) = tokio::join!(send(&here, order(&user)), send(&there, order(&user)));
        let mut both = [one.status, other.status];
        both.sort_unstable();
        assert_eq!(both, [201, 409], "turn {turn}");
    }
    assert_eq!(shop.entered(), 20);
}
