//! A request that waits for its lock uses no permit of an inner concurrency limit.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::{Request, Response};
use redlock_tower::{LockError, LockLayer, OnDisconnect, OnLost, RedlockLayer, key};
use tests::web::{Orders, SOON, order, redlock, start};
use tests::within;
use tower::{
    Service, ServiceBuilder, ServiceExt as _, limit::GlobalConcurrencyLimitLayer, service_fn,
};

/// Time in which a request would take a permit.
const MEANWHILE: Duration = Duration::from_millis(50);
const MAX_HOLD: Duration = Duration::from_millis(200);

/// Ann's second request waits for her first one. Bob's request runs meanwhile, although the inner limit is two.
async fn ann_waits_and_bob_runs(app: Router, orders: &Orders) {
    let first = start(&app, order("ann"));
    orders.wait_entered(1).await;
    let waits = start(&app, order("ann"));
    tokio::time::sleep(MEANWHILE).await;
    let bob = start(&app, order("bob"));
    orders.wait_entered(2).await;
    assert!(!waits.is_finished());
    orders.unblock(3);
    for answer in [first, waits, bob] {
        assert_eq!(within(SOON, answer).await.unwrap().status, 201);
    }
}

#[tokio::test]
async fn f46_a_waiting_request_uses_no_permit_of_an_inner_limit() {
    for on_disconnect in [OnDisconnect::Cancel, OnDisconnect::Finish] {
        let orders = Orders::blocked();
        // In one builder, because axum's `layer` boxes the inner service, and such a box is always ready.
        let app = orders.route().layer(
            ServiceBuilder::new()
                .layer(
                    RedlockLayer::new(redlock().await, key::header("x-user-id"))
                        .wait(SOON)
                        .on_disconnect(on_disconnect),
                )
                .layer(GlobalConcurrencyLimitLayer::new(2)),
        );
        ann_waits_and_bob_runs(app, &orders).await;
    }
}

/// A service that is not HTTP.
fn consumer(
    orders: &Arc<Orders>,
) -> impl Service<String, Response = (), Error = Infallible, Future: Send> + Clone + Send + use<> {
    let orders = Arc::clone(orders);
    service_fn(move |_: String| {
        let orders = Arc::clone(&orders);
        async move {
            orders.run().await;
            Ok(())
        }
    })
}

#[tokio::test]
async fn f46_a_waiting_request_uses_no_permit_with_lock_layer() {
    let orders = Orders::blocked();
    let consumer = ServiceBuilder::new()
        .layer(LockLayer::new(redlock().await, |user: &String| Some(user.clone())).wait(SOON))
        .layer(GlobalConcurrencyLimitLayer::new(2))
        .service(consumer(&orders));
    let submit = |user: &str| {
        let user = user.to_owned();
        let mut consumer = consumer.clone();
        tokio::spawn(async move { consumer.ready().await.unwrap().call(user).await })
    };
    let first = submit("ann");
    orders.wait_entered(1).await;
    let waits = submit("ann");
    tokio::time::sleep(MEANWHILE).await;
    let bob = submit("bob");
    orders.wait_entered(2).await;
    orders.unblock(3);
    for done in [first, waits, bob] {
        within(SOON, done).await.unwrap().unwrap();
    }
}

/// Ann's lock reaches its maximum hold time while her request waits for the only permit, which bob has. Her handler never
/// begins, also with `OnLost::Signal` (F14).
#[tokio::test]
async fn f46_f14_a_loss_while_waiting_for_readiness_cancels_the_request() {
    for on_lost in [OnLost::Cancel, OnLost::Signal] {
        let orders = Orders::blocked();
        let handler = {
            let orders = Arc::clone(&orders);
            move |_: Request<Body>| {
                let orders = Arc::clone(&orders);
                async move {
                    orders.run().await;
                    Ok::<_, Infallible>(Response::new(Body::empty()))
                }
            }
        };
        let app = ServiceBuilder::new()
            .layer(
                RedlockLayer::new(redlock().await, key::header("x-user-id"))
                    .max_hold(MAX_HOLD)
                    .on_lost(on_lost),
            )
            .layer(GlobalConcurrencyLimitLayer::new(1))
            .service(service_fn(handler));
        let mut for_ann = app.clone();
        let ann = for_ann.ready().await.unwrap().call(order("ann"));
        // Bob's request has no key, and takes the only permit before ann has her lock.
        let bob = Request::post("/orders").body(Body::empty()).unwrap();
        let bob = tokio::spawn(app.clone().oneshot(bob));
        orders.wait_entered(1).await;
        let answer = within(SOON, ann).await.unwrap();
        assert_eq!(answer.status(), 503);
        orders.unblock(1);
        within(SOON, bob).await.unwrap().unwrap();
        assert_eq!(orders.entered(), 1, "ann's request never ran, {on_lost:?}");
    }
}

#[tokio::test]
async fn f14_no_request_begins_after_a_loss_with_lock_layer() {
    for on_lost in [OnLost::Cancel, OnLost::Signal] {
        let orders = Orders::blocked();
        let by_user = |user: &String| Some(user.clone()).filter(|user| user != "bob");
        let consumer = ServiceBuilder::new()
            .layer(
                LockLayer::new(redlock().await, by_user)
                    .max_hold(MAX_HOLD)
                    .on_lost(on_lost),
            )
            .layer(GlobalConcurrencyLimitLayer::new(1))
            .service(consumer(&orders));
        let mut for_ann = consumer.clone();
        let ann = for_ann.ready().await.unwrap().call("ann".to_owned());
        let bob = tokio::spawn(consumer.clone().oneshot("bob".to_owned()));
        orders.wait_entered(1).await;
        let outcome = within(SOON, ann).await;
        assert!(matches!(outcome, Err(LockError::Lost)), "{outcome:?}");
        orders.unblock(1);
        within(SOON, bob).await.unwrap().unwrap();
        assert_eq!(orders.entered(), 1, "{on_lost:?}");
    }
}
