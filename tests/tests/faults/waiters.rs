//! The layer's limit on waiting requests, and `fail_open`.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::post};
use futures_util::future::join_all;
use http::{Request, StatusCode};
use redlock::{Redlock, WaiterLimit, memory::Nodes};
use redlock_tower::{LockLayer, RedlockLayer, key};
use tests::{eventually, within};
use tokio::sync::Semaphore;
use tower::{Layer as _, ServiceExt as _, service_fn};

const SOON: Duration = Duration::from_secs(10);

async fn locks() -> (Nodes, Redlock) {
    let cluster = Nodes::new(3);
    let redlock = Redlock::connect(cluster.nodes()).await.unwrap();
    (cluster, redlock)
}

/// A route whose handler blocks until the test unblocks it.
fn shop() -> (Router, Arc<Semaphore>) {
    let door = Arc::new(Semaphore::new(0));
    let handler = {
        let door = Arc::clone(&door);
        move || async move {
            door.acquire().await.unwrap().forget();
            StatusCode::CREATED
        }
    };
    (Router::new().route("/orders", post(handler)), door)
}

async fn order(app: &Router, user: &str) -> StatusCode {
    let request = Request::post("/orders")
        .header("x-user-id", user)
        .body(Body::empty())
        .unwrap();
    app.clone().oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn f51_uncontended_requests_do_not_count_as_waiters() {
    let (cluster, redlock) = locks().await;
    // So that all of them are sent at the same time.
    for node in 0..3 {
        cluster.node(node).delay(Duration::from_millis(50));
    }
    let (app, door) = shop();
    let app = app.layer(
        RedlockLayer::new(redlock, key::header("x-user-id")).max_waiters(&WaiterLimit::new(1, 1)),
    );
    door.add_permits(100);
    let users: Vec<_> = (0..100).map(|user| user.to_string()).collect();
    let answers = within(SOON, join_all(users.iter().map(|user| order(&app, user)))).await;
    assert!(
        answers.iter().all(|status| *status == StatusCode::CREATED),
        "{answers:?}"
    );
}

#[tokio::test]
async fn f51_a_double_click_waits_if_one_waiter_is_allowed() {
    let (_cluster, redlock) = locks().await;
    let (app, door) = shop();
    let app = app.layer(
        RedlockLayer::new(redlock, key::header("x-user-id")).max_waiters(&WaiterLimit::new(1, 100)),
    );
    let clicks = join_all([order(&app, "ann"), order(&app, "ann")]);
    let third = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let third = order(&app, "ann").await;
        door.add_permits(2);
        third
    };
    let (clicks, third) = within(SOON, async { tokio::join!(clicks, third) }).await;
    assert_eq!(clicks, [StatusCode::CREATED; 2]);
    assert_eq!(third, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn f51_the_limit_holds_across_instances_of_the_layer_and_for_other_services() {
    let (_cluster, redlock) = locks().await;
    let limited = LockLayer::new(redlock.clone(), |key: &String| Some(key.clone()))
        .wait(SOON)
        .max_waiters(&WaiterLimit::new(0, 0));
    let service = limited.layer(service_fn(async |_: String| Ok::<_, std::io::Error>(())));
    service.clone().oneshot("a".to_owned()).await.unwrap();
    let guard = redlock.lock("a").await.unwrap();
    let refused = within(SOON, service.oneshot("a".to_owned())).await;
    assert!(matches!(
        refused,
        Err(redlock_tower::LockError::TooManyWaiters)
    ));
    guard.release().await.unwrap();
}

#[tokio::test]
async fn f26_without_a_quorum_a_layer_that_fails_open_decides_after_one_attempt() {
    let (cluster, redlock) = locks().await;
    let (app, door) = shop();
    door.add_permits(1_000);
    // The wait is far longer than the test: a request that waits for the end of the outage has failed.
    let app = app.layer(
        RedlockLayer::new(redlock, key::header("x-user-id"))
            .wait(Duration::from_secs(3_600))
            .max_waiters(&WaiterLimit::new(0, 0))
            .fail_open(),
    );
    cluster.node(0).stop();
    cluster.node(1).hang();
    let answers = within(SOON, join_all((0..20).map(|_| order(&app, "ann")))).await;
    assert!(
        answers.iter().all(|status| *status == StatusCode::CREATED),
        "{answers:?}"
    );
}

#[tokio::test]
async fn f26_a_held_lock_is_still_waited_for() {
    let (_cluster, redlock) = locks().await;
    let (app, door) = shop();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .wait(SOON)
        .fail_open();
    let app = app.layer(layer.clone());
    let orders = [(); 2].map(|()| {
        let app = app.clone();
        tokio::spawn(async move { order(&app, "ann").await })
    });
    // One is in the handler, and the other one waits for its lock.
    eventually(SOON, async || format!("{layer:?}").contains("waiting: 1")).await;
    door.add_permits(2);
    for order in orders {
        assert_eq!(within(SOON, order).await.unwrap(), StatusCode::CREATED);
    }
}

#[tokio::test]
async fn f26_a_request_of_the_core_can_fail_fast() {
    let (cluster, redlock) = locks().await;
    for node in [0, 1] {
        cluster.node(node).stop();
    }
    let request = redlock
        .lock("a")
        .wait(Duration::from_secs(3_600))
        .fail_fast(true);
    let error = within(SOON, async { request.await.unwrap_err() }).await;
    assert!(error.is_no_quorum(), "{error}");
}
