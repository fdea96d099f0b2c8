//! The layer in typical stacks: a body limit in the same builder, hyper's body, rejections that depend on the request.

use std::convert::Infallible;

use axum::{
    Router,
    body::Body,
    response::{Html, IntoResponse as _},
    routing::post,
};
use http::{Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use redlock_tower::{
    RedlockLayer, Rejection,
    key::{self, KeyExtractor as _},
    replay::MemoryStore,
};
use tests::web::{DAY, SOON, redlock, submit};
use tests::within;
use tokio::net::TcpListener;
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_http::limit::RequestBodyLimitLayer;

#[tokio::test]
async fn f54_replay_inside_of_a_body_limit_in_one_builder() {
    let key = key::identity(key::header("x-user-id")).and(key::idempotency_key());
    let replay = RedlockLayer::new(redlock().await, key).replay(MemoryStore::new(), DAY);
    let app = Router::new()
        .route(
            "/payments",
            post(async |body: String| (StatusCode::CREATED, body)),
        )
        .layer(
            ServiceBuilder::new()
                .layer(RequestBodyLimitLayer::new(10))
                .layer(replay),
        );
    for replayed in [None, Some("true")] {
        let answer = within(SOON, app.clone().oneshot(submit("/payments", "a", "5 EUR")))
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let header = answer.headers().get("idempotency-replayed");
        assert_eq!(header.map(|value| value.to_str().unwrap()), replayed);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "5 EUR");
    }
    let answer = within(
        SOON,
        app.oneshot(submit("/payments", "b", "more than ten bytes")),
    )
    .await
    .unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn f54_replay_of_requests_with_a_hyper_body() {
    let key = key::identity(key::header("x-user-id")).and(key::idempotency_key());
    let replay = RedlockLayer::new(redlock().await, key).replay(MemoryStore::new(), DAY);
    let service = replay.layer(service_fn(async |request: Request<_>| {
        let body: redlock_tower::replay::RequestBody<hyper::body::Incoming> = request.into_body();
        let body = body.collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Full::new(body)))
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper_util::service::TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await
            });
        }
    });
    let client = reqwest::Client::new();
    let pay = |body: &'static str| {
        let url = format!("http://{address}/payments");
        let request = client.post(url).header("x-user-id", "ann");
        request.header("idempotency-key", "\"a\"").body(body).send()
    };
    for replayed in [false, true] {
        let answer = within(SOON, pay("5 EUR")).await.unwrap();
        assert_eq!(
            answer.headers().contains_key("idempotency-replayed"),
            replayed
        );
        assert_eq!(answer.text().await.unwrap(), "5 EUR");
    }
}

#[tokio::test]
async fn f54_a_rejection_depends_on_the_request() {
    let redlock = redlock().await;
    let _held = redlock.lock("orders:x-user-id=ann").await.unwrap();
    let page = |rejection: &Rejection, head: &Parts| {
        let accept = head
            .headers
            .get("accept")
            .and_then(|accept| accept.to_str().ok());
        if accept.is_some_and(|accept| accept.contains("text/html")) {
            (
                rejection.status(),
                Html(format!("<h1>{}</h1>", head.uri.path())),
            )
                .into_response()
        } else {
            rejection.clone().into_response()
        }
    };
    let app = Router::new()
        .route("/orders", post(async || "ordered"))
        .layer(
            RedlockLayer::new(redlock, key::header("x-user-id"))
                .namespace("orders")
                .no_wait()
                .on_reject(page),
        );
    for (accept, expected) in [
        ("text/html", "<h1>/orders</h1>"),
        ("application/json", "urn:problem-type:redlock:busy"),
    ] {
        let request = Request::post("/orders")
            .header("x-user-id", "ann")
            .header("accept", accept)
            .body(Body::empty());
        let answer = within(SOON, app.clone().oneshot(request.unwrap()))
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CONFLICT);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body = std::str::from_utf8(&body).unwrap().to_owned();
        assert!(body.contains(expected), "{accept}: {body}");
    }
}
