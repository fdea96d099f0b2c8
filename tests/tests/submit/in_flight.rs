//! A shutdown waits for the work of clients that have left.

use redlock_tower::{InFlight, OnDisconnect, RedlockLayer, key};
use tests::store::TestStore;
use tests::web::{DAY, Orders, SOON, by_user, order, redlock, send, start, submit};
use tests::within;
use tokio_test::{assert_pending, task::spawn};

#[tokio::test]
async fn a_handler_whose_client_has_left_is_awaited() {
    let (orders, in_flight) = (Orders::blocked(), InFlight::new());
    let layer = RedlockLayer::new(redlock().await, key::header("x-user-id"))
        .on_disconnect(OnDisconnect::Finish)
        .in_flight(&in_flight);
    let app = orders.route().layer(layer);
    within(SOON, in_flight.finished()).await;

    let clients = [start(&app, order("ann")), start(&app, order("bob"))];
    orders.wait_entered(2).await;
    for client in clients {
        client.abort();
        let _ = client.await;
    }
    assert_eq!((in_flight.count(), orders.running()), (2, 2));
    let mut finished = spawn(in_flight.finished());
    assert_pending!(finished.poll());
    orders.unblock(1);
    let one_is_left = tests::eventually(SOON, async || in_flight.count() == 1);
    one_is_left.await;
    assert_pending!(finished.poll());
    orders.unblock(1);
    within(SOON, finished).await;
    assert_eq!((orders.finished(), in_flight.count()), (2, 0));
}

#[tokio::test]
async fn a_handler_that_panics_is_not_awaited() {
    let in_flight = InFlight::new();
    let handler = async || -> &'static str { panic!("on purpose") };
    let layer = RedlockLayer::new(redlock().await, key::header("x-user-id"))
        .on_disconnect(OnDisconnect::Finish)
        .in_flight(&in_flight);
    let app = axum::Router::new()
        .route("/orders", axum::routing::post(handler))
        .layer(layer);
    assert!(start(&app, order("ann")).await.unwrap_err().is_panic());
    within(SOON, in_flight.finished()).await;
}

#[tokio::test]
async fn a_record_that_is_still_being_written_is_awaited() {
    let (orders, in_flight) = (Orders::unblocked(), InFlight::new());
    let store = TestStore::default();
    store.fail_next(usize::MAX);
    let layer = RedlockLayer::new(redlock().await, by_user())
        .in_flight(&in_flight)
        .replay(store.clone(), DAY);
    let app = orders.route().layer(layer);
    assert_eq!(send(&app, submit("/orders", "a", "")).await.status, 201);
    assert_eq!(in_flight.count(), 1);
    store.fail_next(0);
    within(SOON, in_flight.finished()).await;
    assert!(send(&app, submit("/orders", "a", "")).await.is_replayed());
    assert_eq!(orders.entered(), 1);
}
