//! The layer among other layers: who waits for a lock occupies no place further in.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::post};
use http::{Request, Response, StatusCode};
use redlock::{Redlock, memory::Cluster};
use redlock_tower::{LockError, LockLayer, OnDisconnect, OnLost, RedlockLayer, key};
use tests::{eventually, within};
use tokio::sync::Semaphore;
use tower::{
    Service, ServiceBuilder, ServiceExt as _, limit::GlobalConcurrencyLimitLayer, service_fn,
};

const SOON: Duration = Duration::from_secs(10);

async fn locks() -> Redlock {
    Redlock::connect(Cluster::new(3).nodes()).await.unwrap()
}

/// Handlers stop at the doors and are counted.
#[derive(Debug)]
struct Doors {
    inside: Semaphore,
    open: Semaphore,
}

impl Doors {
    fn closed() -> Arc<Self> {
        Arc::new(Self {
            inside: Semaphore::new(0),
            open: Semaphore::new(0),
        })
    }

    async fn pass(&self) {
        self.inside.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }

    async fn entered(&self, count: usize) {
        eventually(SOON, async || self.inside.available_permits() >= count).await;
    }
}

fn order(user: &str) -> Request<Body> {
    Request::post("/orders")
        .header("x-user-id", user)
        .body(Body::empty())
        .unwrap()
}

/// Ann's second request waits for her first. Bob's runs beside it, although only two may be inside at once.
async fn ann_waits_and_bob_runs(app: Router, doors: &Doors) {
    let submit = |user: &'static str| tokio::spawn(app.clone().oneshot(order(user)));
    let first = submit("ann");
    doors.entered(1).await;
    let waits = submit("ann");
    // Her second request gets as far as it can.
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let bob = submit("bob");
    doors.entered(2).await;
    assert!(!waits.is_finished());
    doors.open.add_permits(3);
    for answer in [first, waits, bob] {
        let answer = within(SOON, answer).await.unwrap().unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
    }
}

fn shop(doors: &Arc<Doors>) -> Router {
    let doors = Arc::clone(doors);
    let handler = move || async move {
        doors.pass().await;
        StatusCode::CREATED
    };
    Router::new().route("/orders", post(handler))
}

#[tokio::test]
async fn f46_a_waiter_occupies_no_place_of_a_concurrency_limit_further_in() {
    for on_disconnect in [OnDisconnect::Cancel, OnDisconnect::Finish] {
        let doors = Doors::closed();
        // In one builder: axum's own `layer` boxes what is further in, and a box is always ready.
        let app = shop(&doors).layer(
            ServiceBuilder::new()
                .layer(
                    RedlockLayer::new(locks().await, key::header("x-user-id"))
                        .wait(SOON)
                        .on_disconnect(on_disconnect),
                )
                .layer(GlobalConcurrencyLimitLayer::new(2)),
        );
        ann_waits_and_bob_runs(app, &doors).await;
    }
}

#[tokio::test]
async fn f46_the_same_around_a_service_that_is_not_http() {
    let doors = Doors::closed();
    let consumer = ServiceBuilder::new()
        .layer(LockLayer::new(locks().await, |user: &String| Some(user.clone())).wait(SOON))
        .layer(GlobalConcurrencyLimitLayer::new(2))
        .service(service_fn({
            let doors = Arc::clone(&doors);
            move |_: String| {
                let doors = Arc::clone(&doors);
                async move {
                    doors.pass().await;
                    Ok::<_, Infallible>(())
                }
            }
        }));
    let submit = |user: &str| {
        let user = user.to_owned();
        let mut consumer = consumer.clone();
        tokio::spawn(async move { consumer.ready().await.unwrap().call(user).await })
    };
    let first = submit("ann");
    doors.entered(1).await;
    let waits = submit("ann");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let bob = submit("bob");
    doors.entered(2).await;
    doors.open.add_permits(3);
    for done in [first, waits, bob] {
        within(SOON, done).await.unwrap().unwrap();
    }
}

/// A lock with a maximum hold time is lost while ann's request waits for the only place further in, which bob has. Her
/// handler never begins, also where one that runs would be signalled only (F14).
#[tokio::test]
async fn f46_f14_a_lock_that_is_lost_in_the_wait_for_readiness_cancels_the_request() {
    for on_lost in [OnLost::Cancel, OnLost::Signal] {
        let doors = Doors::closed();
        let handler = {
            let doors = Arc::clone(&doors);
            move |_: Request<Body>| {
                let doors = Arc::clone(&doors);
                async move {
                    doors.pass().await;
                    Ok::<_, Infallible>(Response::new(Body::empty()))
                }
            }
        };
        let app = ServiceBuilder::new()
            .layer(
                RedlockLayer::new(locks().await, key::header("x-user-id"))
                    .max_hold(Duration::from_millis(200))
                    .on_lost(on_lost),
            )
            .layer(GlobalConcurrencyLimitLayer::new(1))
            .service(service_fn(handler));
        let mut anns = app.clone();
        let ann = anns.ready().await.unwrap().call(order("ann"));
        // Bob's request has no key and takes the only place before ann has her lock.
        let bob = Request::post("/orders").body(Body::empty()).unwrap();
        let bob = tokio::spawn(app.clone().oneshot(bob));
        doors.entered(1).await;
        let answer = within(SOON, ann).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        doors.open.add_permits(1);
        within(SOON, bob).await.unwrap().unwrap();
        assert_eq!(
            doors.inside.available_permits(),
            1,
            "ann's request never ran, {on_lost:?}"
        );
    }
}

#[tokio::test]
async fn f14_a_request_that_is_not_http_does_not_begin_after_the_loss() {
    for on_lost in [OnLost::Cancel, OnLost::Signal] {
        let doors = Doors::closed();
        let by_user = |user: &String| Some(user.clone()).filter(|user| user != "bob");
        let consumer = ServiceBuilder::new()
            .layer(
                LockLayer::new(locks().await, by_user)
                    .max_hold(Duration::from_millis(200))
                    .on_lost(on_lost),
            )
            .layer(GlobalConcurrencyLimitLayer::new(1))
            .service(service_fn({
                let doors = Arc::clone(&doors);
                move |_: String| {
                    let doors = Arc::clone(&doors);
                    async move {
                        doors.pass().await;
                        Ok::<_, Infallible>(())
                    }
                }
            }));
        let mut anns = consumer.clone();
        let ann = anns.ready().await.unwrap().call("ann".to_owned());
        let bob = tokio::spawn(consumer.clone().oneshot("bob".to_owned()));
        doors.entered(1).await;
        let outcome = within(SOON, ann).await;
        assert!(matches!(outcome, Err(LockError::Lost)), "{outcome:?}");
        doors.open.add_permits(1);
        within(SOON, bob).await.unwrap().unwrap();
        assert_eq!(doors.inside.available_permits(), 1, "{on_lost:?}");
    }
}
