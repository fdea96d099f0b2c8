//! Behind the layers: what a superseded request is answered.

use std::{io, sync::Arc};

use axum::Router;
use redlock::Redlock;
use redlock_tower::{LockError, LockLayer, Reason, RedlockLayer, key};
use tests::{
    eventually,
    web::{self, Orders, order, send, start},
    within,
};
use tower::{Service as _, ServiceBuilder, ServiceExt as _, service_fn};

use crate::BOUND;

fn app(orders: &Arc<Orders>, redlock: &Redlock) -> Router {
    let layer = RedlockLayer::new(redlock.clone(), key::header("x-user-id"));
    orders.route().layer(layer.newest_wins(true).wait(BOUND))
}

#[tokio::test]
async fn a_superseded_request_is_answered_409_with_a_problem_of_its_own() {
    let nodes = redlock::memory::Nodes::new(3);
    let [one, other] = [web::connect(&nodes).await, web::connect(&nodes).await];
    let orders = Orders::blocked();
    let (here, there) = (app(&orders, &one), app(&orders, &other));
    let older = start(&here, order("ann"));
    orders.wait_entered(1).await;
    let newer = start(&there, order("ann"));
    let answer = within(BOUND, older).await.unwrap();
    assert_eq!(
        (answer.status, answer.reason()),
        (409, Some(Reason::Superseded))
    );
    assert_eq!(
        answer.retry_after(),
        None,
        "the newer one is answered instead"
    );
    let problem = answer.json();
    assert_eq!(problem["type"], "urn:problem-type:redlock:superseded");
    assert_eq!(problem["title"], "A newer request replaced this one");
    orders.wait_entered(2).await;
    assert_eq!(
        orders.running(),
        1,
        "the older handler was cancelled before"
    );
    let bob = start(&here, order("bob"));
    orders.wait_entered(3).await;
    orders.unblock(2);
    for request in [newer, bob] {
        assert_eq!(within(BOUND, request).await.unwrap().status, 201);
    }
    assert_eq!(orders.finished(), 2);
}

#[tokio::test]
async fn a_layer_that_does_not_wait_contradicts_it() {
    let redlock = web::redlock().await;
    let orders = Orders::unblocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"));
    let app = orders.route().layer(layer.newest_wins(true).no_wait());
    let answer = send(&app, order("ann")).await;
    assert_eq!(
        (answer.status, answer.reason()),
        (500, Some(Reason::Misconfigured))
    );
    assert_eq!(orders.entered(), 0);
}

#[tokio::test]
async fn a_superseded_message_fails_with_an_error_of_its_own() {
    let redlock = web::redlock().await;
    let orders = Orders::blocked();
    let layer = LockLayer::new(redlock, |_: &u8| Some("search".to_owned())).newest_wins(true);
    let work = Arc::clone(&orders);
    let service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(move |number: u8| {
            let work = Arc::clone(&work);
            async move {
                work.run().await;
                Ok::<_, io::Error>(number)
            }
        }));
    let call = |number| {
        let mut service = service.clone();
        tokio::spawn(async move { service.ready().await.unwrap().call(number).await })
    };
    let older = call(1);
    orders.wait_entered(1).await;
    let newer = call(2);
    let error = within(BOUND, older).await.unwrap().unwrap_err();
    assert!(matches!(error, LockError::Superseded), "{error}");
    orders.unblock(1);
    assert_eq!(within(BOUND, newer).await.unwrap().unwrap(), 2);
    eventually(BOUND, async || orders.running() == 0).await;
}
