//! The contract of a tower middleware: readiness, clones, errors, and unlocked requests passed through.

use axum::body::Body;
use http::{Request, Response, StatusCode};
use redlock_tower::{RedlockLayer, key};
use std::task::Poll;
use tests::web::{SOON, held, locks};
use tests::within;
use tokio_test::{assert_pending, assert_ready_ok};
use tower::Layer as _;
use tower_test::mock;

type Mock = mock::Mock<Request<Body>, Response<Body>>;

fn post(user: &str) -> Request<Body> {
    Request::post("/orders")
        .header("x-user-id", user)
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn the_layer_propagates_backpressure() {
    let (_cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"));
    let (mut service, mut handle) = mock::spawn_with(|inner: Mock| layer.layer(inner));
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());

    let answer = tokio::spawn(service.call(post("ann")));
    let (request, respond) = within(SOON, handle.next_request()).await.unwrap();
    assert_eq!(request.headers()["x-user-id"], "ann");
    // The first call has used the readiness.
    assert_pending!(service.poll_ready());
    respond.send_response(
        Response::builder()
            .status(StatusCode::CREATED)
            .body(Body::empty())
            .unwrap(),
    );
    assert_eq!(within(SOON, answer).await.unwrap().unwrap().status(), 201);
}

#[tokio::test]
async fn an_unlocked_request_uses_the_service_that_was_polled_ready() {
    let (_cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"));
    let (mut service, mut handle) = mock::spawn_with(|inner: Mock| layer.layer(inner));
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    // Nothing else becomes ready, and the mock panics if it is called without being ready.
    handle.allow(0);
    let answer = tokio::spawn(service.call(Request::get("/orders").body(Body::empty()).unwrap()));
    let (_, respond) = within(SOON, handle.next_request()).await.unwrap();
    respond.send_response(Response::new(Body::empty()));
    assert_eq!(within(SOON, answer).await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_locked_request_polls_readiness_under_its_lock() {
    let (cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"));
    let (mut service, mut handle) = mock::spawn_with(|inner: Mock| layer.layer(inner));
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    handle.allow(0);
    let answer = tokio::spawn(service.call(post("ann")));
    tests::eventually(SOON, async || held(&cluster).len() == 1).await;
    assert!(!answer.is_finished());
    handle.allow(1);
    let (_, respond) = within(SOON, handle.next_request()).await.unwrap();
    respond.send_response(Response::new(Body::empty()));
    assert_eq!(within(SOON, answer).await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn an_error_of_the_service_is_returned_and_releases_the_lock() {
    let (cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, key::header("x-user-id")).dedupe_for(SOON);
    let (mut service, mut handle) = mock::spawn_with(|inner: Mock| layer.layer(inner));
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let answer = tokio::spawn(service.call(post("ann")));
    let (_, respond) = within(SOON, handle.next_request()).await.unwrap();
    assert_eq!(held(&cluster).len(), 1);
    respond.send_error("on purpose");
    assert_eq!(
        within(SOON, answer).await.unwrap().unwrap_err().to_string(),
        "on purpose"
    );
    assert_eq!(held(&cluster), [""; 0]);
}

#[tokio::test]
async fn an_error_of_poll_ready_is_returned() {
    let (_cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"));
    let (mut service, mut handle) = mock::spawn_with(|inner: Mock| layer.layer(inner));
    handle.send_error("not now");
    match service.poll_ready() {
        Poll::Ready(Err(error)) => assert_eq!(error.to_string(), "not now"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn safe_methods_send_nothing_to_the_nodes() {
    let (cluster, redlock) = locks().await;
    // If a request asked them, it would fail.
    (0..3).for_each(|node| cluster.node(node).stop());
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"));
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        let (mut service, mut handle) = mock::spawn_with(|inner: Mock| layer.layer(inner));
        handle.allow(1);
        assert_ready_ok!(service.poll_ready());
        let request = Request::builder()
            .method(method)
            .header("x-user-id", "ann")
            .body(Body::empty())
            .unwrap();
        let mut answer = tokio_test::task::spawn(service.call(request));
        assert_pending!(answer.poll());
        let (_, respond) = within(SOON, handle.next_request()).await.unwrap();
        respond.send_response(Response::new(Body::empty()));
        assert_eq!(assert_ready_ok!(answer.poll()).status(), 200);
    }
}

#[tokio::test]
async fn the_locked_methods_are_configurable() {
    let (cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, key::header("x-user-id")).methods([http::Method::GET]);
    for (method, locked) in [("GET", 1), ("POST", 0)] {
        let (mut service, mut handle) = mock::spawn_with(|inner: Mock| layer.layer(inner));
        handle.allow(1);
        assert_ready_ok!(service.poll_ready());
        let request = Request::builder()
            .method(method)
            .header("x-user-id", "ann")
            .body(Body::empty())
            .unwrap();
        let answer = tokio::spawn(service.call(request));
        let (_, respond) = within(SOON, handle.next_request()).await.unwrap();
        assert_eq!(held(&cluster).len(), locked, "{method}");
        respond.send_response(Response::new(Body::empty()));
        assert_eq!(within(SOON, answer).await.unwrap().unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_future_dropped_unpolled_does_nothing() {
    let (cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"));
    let (mut service, mut handle) = mock::spawn_with(|inner: Mock| layer.layer(inner));
    assert_ready_ok!(service.poll_ready());
    drop(service.call(post("ann")));
    assert!(handle.poll_request().is_pending());
    assert_ready_ok!(service.poll_ready());
    drop(service.call(Request::get("/").body(Body::empty()).unwrap()));
    assert_eq!(held(&cluster), [""; 0]);
}

#[test]
fn public_types_are_send_sync_clone_and_debug() {
    fn all<T: Send + Sync + Clone + std::fmt::Debug + 'static>() {}
    all::<RedlockLayer<key::Header>>();
    all::<redlock_tower::RedlockService<axum::routing::Route, key::Header>>();
    all::<redlock_tower::Rejection>();
    all::<redlock_tower::HeldLock>();
    all::<redlock_tower::replay::MemoryStore>();
    all::<redlock_tower::replay::RedisStore>();
}
