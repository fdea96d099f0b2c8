//! The layer in the stacks that users build: body limits in one builder, hyper's own body, answers that fit the client.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    body::Body,
    response::{Html, IntoResponse as _},
    routing::post,
};
use http::{Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use redlock::{Redlock, memory::Cluster};
use redlock_tower::{
    RedlockLayer, Rejection,
    key::{self, KeyExtractor as _},
    replay::MemoryStore,
};
use tests::within;
use tokio::net::TcpListener;
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_http::limit::RequestBodyLimitLayer;

const SOON: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn locks() -> Redlock {
    Redlock::connect(Cluster::new(3).nodes()).await.unwrap()
}

fn pay(submit: &str, body: &str) -> Request<Body> {
    Request::post("/payments")
        .header("x-user-id", "ann")
        .header("idempotency-key", format!("\"{submit}\""))
        .body(Body::from(body.to_owned()))
        .unwrap()
}

#[tokio::test]
async fn f54_replay_with_a_body_limit_in_one_builder() {
    let key = key::identity(key::header("x-user-id")).and(key::idempotency_key());
    let replay = RedlockLayer::new(locks().await, key).replay(MemoryStore::new(), DAY);
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
        let answer = within(SOON, app.clone().oneshot(pay("a", "5 EUR")))
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let header = answer.headers().get("idempotency-replayed");
        assert_eq!(header.map(|value| value.to_str().unwrap()), replayed);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "5 EUR");
    }
    let answer = within(SOON, app.oneshot(pay("b", "more than ten bytes")))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn f54_replay_on_the_body_of_hyper() {
    let key = key::identity(key::header("x-user-id")).and(key::idempotency_key());
    let replay = RedlockLayer::new(locks().await, key).replay(MemoryStore::new(), DAY);
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
    let submit = |body: &'static str| {
        let url = format!("http://{address}/payments");
        let request = client.post(url).header("x-user-id", "ann");
        request.header("idempotency-key", "\"a\"").body(body).send()
    };
    for replayed in [false, true] {
        let answer = within(SOON, submit("5 EUR")).await.unwrap();
        assert_eq!(
            answer.headers().contains_key("idempotency-replayed"),
            replayed
        );
        assert_eq!(answer.text().await.unwrap(), "5 EUR");
    }
}

#[tokio::test]
async fn f54_a_rejection_fits_the_client() {
    let redlock = locks().await;
    let _held = redlock.lock("orders:x-user-id=ann").await.unwrap();
    let page = |rejection: &Rejection, head: &Parts| {
        let wants = head
            .headers
            .get("accept")
            .and_then(|wants| wants.to_str().ok());
        if wants.is_some_and(|wants| wants.contains("text/html")) {
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
