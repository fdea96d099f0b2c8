//! A client cannot choose the namespace of its key.

use axum::{Router, body::Body, routing::any};
use http::{Method, Request, StatusCode, Version};
use redlock_tower::{RedlockLayer, key, replay::MemoryStore};
use std::sync::Arc;
use tests::web::{DAY, Orders, SOON, by_user, read, redlock, submit};
use tests::within;
use tower::{Layer as _, ServiceExt as _, service_fn};

/// Requests of one user that differ in everything that a client can choose.
fn variants() -> Vec<Request<Body>> {
    let plain = || Request::post("/carts/7/orders").header("x-user-id", "ann");
    let with = |name: &str, value: &str| plain().header(name, value).body(Body::empty());
    let mut all: Vec<_> = [
        ("content-type", "application/json"),
        ("content-type", "application/grpc"),
        ("content-type", "application/grpc+proto"),
        ("content-type", "application/grpc-web"),
        ("accept", "text/html"),
        ("te", "trailers"),
        ("host", "elsewhere.example"),
        ("x-forwarded-prefix", "/v2"),
        ("x-http-method-override", "PUT"),
        ("x-original-url", "/other"),
    ]
    .into_iter()
    .map(|(name, value)| with(name, value))
    .collect();
    all.push(plain().uri("/carts/7/orders?a=1").body(Body::empty()));
    all.push(plain().uri("/carts/7/orders/").body(Body::empty()));
    all.push(
        plain()
            .uri("http://elsewhere.example/carts/7/orders")
            .body(Body::empty()),
    );
    all.push(plain().version(Version::HTTP_2).body(Body::empty()));
    all.push(plain().method(Method::PUT).body(Body::empty()));
    all.push(plain().method("PURGE").body(Body::empty()));
    all.into_iter().map(Result::unwrap).collect()
}

/// A handler for all methods and two spellings of its path. It blocks until the test unblocks it.
fn routes(orders: &Arc<Orders>) -> Router {
    let orders = Arc::clone(orders);
    let handler = move || async move {
        orders.run().await;
        StatusCode::CREATED
    };
    Router::new()
        .route("/carts/{id}/orders", any(handler.clone()))
        .route("/carts/{id}/orders/", any(handler))
}

#[tokio::test]
async fn f40_no_variant_of_a_request_has_its_own_lock() {
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock().await, key::header("x-user-id")).no_wait();
    let app = routes(&orders).layer(layer);
    let first = tokio::spawn(app.clone().oneshot(submit("/carts/7/orders", "1", "")));
    orders.wait_entered(1).await;
    for request in variants() {
        let shown = format!("{request:?}");
        let answer = read(within(SOON, app.clone().oneshot(request)).await.unwrap()).await;
        let rejected = answer.status == 409 || answer.header("grpc-status") == "10";
        assert!(rejected && orders.entered() == 1, "{shown}");
    }
    orders.unblock(1);
    assert_eq!(first.await.unwrap().unwrap().status(), 201);
}

/// Around a service that does its own routing, the layer only knows what the client sent.
#[tokio::test]
async fn f40_no_variant_has_its_own_lock_outside_of_a_router() {
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock().await, key::header("x-user-id")).no_wait();
    let service = {
        let app = routes(&orders);
        layer.layer(service_fn(move |request| app.clone().oneshot(request)))
    };
    let first = tokio::spawn(service.clone().oneshot(submit("/carts/7/orders", "1", "")));
    orders.wait_entered(1).await;
    for request in variants() {
        let shown = format!("{request:?}");
        let answer = within(SOON, service.clone().oneshot(request))
            .await
            .unwrap();
        let rejected = answer.status() == 409
            || answer
                .headers()
                .get("grpc-status")
                .is_some_and(|status| status == "10");
        assert!(rejected && orders.entered() == 1, "{shown}");
    }
    orders.unblock(1);
    assert_eq!(first.await.unwrap().unwrap().status(), 201);
}

/// HEAD runs the handler of GET.
#[tokio::test]
async fn f40_a_lock_on_get_includes_head() {
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock().await, key::header("x-user-id"))
        .no_wait()
        .methods([Method::GET]);
    let app = routes(&orders).layer(layer);
    let with = |method| {
        let request = Request::get("/carts/7/orders")
            .method(method)
            .header("x-user-id", "ann");
        app.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let first = tokio::spawn(with(Method::GET));
    orders.wait_entered(1).await;
    assert_eq!(
        within(SOON, with(Method::HEAD)).await.unwrap().status(),
        409
    );
    orders.unblock(1);
    assert_eq!(first.await.unwrap().unwrap().status(), 201);
}

#[tokio::test]
async fn f40_no_variant_of_a_request_runs_again_with_the_same_idempotency_key() {
    let orders = Orders::unblocked();
    let layer = RedlockLayer::new(redlock().await, by_user()).replay(MemoryStore::new(), DAY);
    let app = routes(&orders).layer(layer);
    let first = read(
        app.clone()
            .oneshot(submit("/carts/7/orders", "1", ""))
            .await
            .unwrap(),
    )
    .await;
    assert_eq!((first.status, first.is_replayed()), (201, false));
    for mut request in variants() {
        let key = "1".parse().unwrap();
        request.headers_mut().insert("idempotency-key", key);
        let shown = format!("{request:?}");
        let answer = read(within(SOON, app.clone().oneshot(request)).await.unwrap()).await;
        // A replay, or a rejection as another request with the same key.
        let known =
            answer.is_replayed() || answer.status == 422 || answer.header("grpc-status") == "9";
        assert!(known && orders.entered() == 1, "{shown}: {answer:?}");
    }
}

/// Without `grpc()`, all calls of a user exclude each other, and a warning says so.
#[tokio::test]
async fn f40_a_layer_without_grpc_warns_once() {
    let logs = tests::Logs::capture(tracing::level_filters::LevelFilter::WARN);
    let answering =
        || service_fn(async |_| Ok::<_, std::io::Error>(http::Response::new(Body::empty())));
    let by_user = || key::header("x-user-id");
    let call = |method: &str| {
        let mut call = submit(&format!("/shop.Shop/{method}"), "1", "");
        let kind = "application/grpc".parse().unwrap();
        call.headers_mut().insert("content-type", kind);
        call
    };
    let grpc = RedlockLayer::new(redlock().await, by_user()).grpc();
    let named = RedlockLayer::new(redlock().await, by_user()).namespace("shop");
    for layer in [grpc, named] {
        layer.layer(answering()).oneshot(call("Pay")).await.unwrap();
    }
    assert_eq!(logs.text(), "");
    let without = RedlockLayer::new(redlock().await, by_user());
    let head = |method: &str| call(method).into_parts().0;
    let pay = without.key_of(&head("Pay")).await.unwrap();
    assert_eq!(pay, without.key_of(&head("Ship")).await.unwrap());
    let service = without.layer(answering());
    for method in ["Pay", "Ship"] {
        service.clone().oneshot(call(method)).await.unwrap();
    }
    assert_eq!(logs.text().matches(".grpc()").count(), 1, "{}", logs.text());
}
