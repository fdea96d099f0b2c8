//! Only a success starts a cool-down or is recorded.

use axum::{
    Json, Router,
    body::Body,
    extract::Path,
    response::{IntoResponse, Response},
    routing::post,
};
use http::{Request, StatusCode, header};
use redlock_tower::{HoldUntil, RedlockLayer, key, replay::Keep, replay::MemoryStore};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tests::web::{DAY, by_user, read, redlock, send, submit};
use tower::ServiceExt as _;

const COOL_DOWN: Duration = Duration::from_secs(50);

/// A handler that responds with the status in its path, and counts its runs.
fn answering(runs: &Arc<AtomicUsize>) -> Router {
    let runs = Arc::clone(runs);
    let handler = move |Path(status): Path<u16>| async move {
        runs.fetch_add(1, SeqCst);
        let status = StatusCode::from_u16(status).unwrap();
        // With a body, unless the status forbids it.
        match status {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => status.into_response(),
            _ => (status, "some words").into_response(),
        }
    };
    Router::new().route("/{status}", post(handler))
}

/// All layers that could start a cool-down, or record a response, by mistake.
async fn layers() -> Vec<(&'static str, Router, Arc<AtomicUsize>)> {
    let mut all = Vec::new();
    for (name, until) in [
        ("response", HoldUntil::Response),
        ("body end", HoldUntil::BodyEnd),
    ] {
        let layer = || async {
            RedlockLayer::new(redlock().await, by_user())
                .no_wait()
                .dedupe_for(COOL_DOWN)
                .hold_until(until)
        };
        let runs = Arc::default();
        all.push((name, answering(&runs).layer(layer().await), runs));
        let runs = Arc::default();
        let replay = layer().await.replay(MemoryStore::new(), DAY);
        all.push((name, answering(&runs).layer(replay), runs));
    }
    all
}

/// Reads the response to its end, as a server does.
async fn status(app: &Router, request: Request<Body>) -> u16 {
    read(app.clone().oneshot(request).await.unwrap())
        .await
        .status
}

fn plain(status: u16) -> Request<Body> {
    let mut request = submit(&format!("/{status}"), "1", "");
    request.headers_mut().remove("idempotency-key");
    request
}

#[tokio::test]
async fn f43_only_a_success_starts_a_cool_down() {
    for (name, app, runs) in layers().await {
        for failure in [
            400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 423, 425, 429, 500, 501, 502, 503,
            504,
        ] {
            let before = runs.load(SeqCst);
            for _ in 0..2 {
                assert_eq!(status(&app, plain(failure)).await, failure, "{name}");
            }
            assert_eq!(runs.load(SeqCst) - before, 2, "{name}: {failure}");
        }
        assert_eq!(status(&app, plain(200)).await, 200, "{name}");
        assert_eq!(status(&app, plain(200)).await, 409, "{name}");
    }
    for success in [200, 201, 202, 204, 302, 303, 304] {
        for (name, app, _) in layers().await {
            assert_eq!(status(&app, plain(success)).await, success, "{name}");
            assert_eq!(status(&app, plain(success)).await, 409, "{name}: {success}");
        }
    }
}

/// With an `Idempotency-Key`, a success is recorded and a failure is not.
#[tokio::test]
async fn f43_a_failure_with_an_idempotency_key_starts_no_cool_down() {
    for (name, app, runs) in layers().await.into_iter().skip(1).step_by(2) {
        for failure in [408, 409, 425, 429] {
            let before = runs.load(SeqCst);
            for _ in 0..2 {
                let request = submit(&format!("/{failure}"), "1", "");
                assert_eq!(status(&app, request).await, failure, "{name}");
            }
            assert_eq!(runs.load(SeqCst) - before, 2, "{name}: {failure}");
        }
    }
}

/// Rejections by inner layers, and statuses that ask for another try, are failures whatever `failure_if`
/// returns.
#[tokio::test]
async fn f43_a_rejection_of_an_inner_layer_starts_no_cool_down() {
    for until in [HoldUntil::Response, HoldUntil::BodyEnd] {
        let runs = Arc::default();
        let inner_locks = redlock().await;
        let inner = RedlockLayer::new(inner_locks.clone(), key::header("x-cart"))
            .namespace("carts")
            .no_wait();
        let outer = RedlockLayer::new(redlock().await, by_user())
            .no_wait()
            .dedupe_for(COOL_DOWN)
            .hold_until(until)
            .failure_if(|head| head.status.is_server_error());
        let app = answering(&runs).layer(inner).layer(outer);
        let of_cart = || {
            let mut request = plain(200);
            let cart = "7".parse().unwrap();
            request.headers_mut().insert("x-cart", cart);
            request
        };
        let cart = inner_locks.lock("carts:x-cart=7").await.unwrap();
        for _ in 0..2 {
            let answer = app.clone().oneshot(of_cart()).await.unwrap();
            let answer = read(answer).await;
            assert_eq!((answer.status, runs.load(SeqCst)), (409, 0), "{until:?}");
        }
        cart.release().await.unwrap();
        assert_eq!(status(&app, plain(429)).await, 429, "{until:?}");
        assert_eq!(status(&app, of_cart()).await, 200, "{until:?}");
        assert_eq!(status(&app, of_cart()).await, 409, "{until:?}");
    }
}

type Payment = std::collections::HashMap<String, u64>;

/// The handler never accepted a request that its extractor rejected.
#[tokio::test]
async fn f55_a_corrected_body_runs_with_the_same_key() {
    let handler = async |Json(payment): Json<Payment>| format!("{} EUR", payment["amount"]);
    let layer = RedlockLayer::new(redlock().await, by_user()).replay(MemoryStore::new(), DAY);
    let app = Router::new().route("/pay", post(handler)).layer(layer);
    let pay = async |kind: &str, body: &'static str| {
        let mut request = submit("/pay", "1", body);
        let kind = kind.parse().unwrap();
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        send(&app, request).await
    };
    let json = "application/json";
    assert_eq!(pay("text/plain", r#"{"amount":5}"#).await.status, 415);
    assert_eq!(pay(json, r#"{"amount":"#).await.status, 400);
    assert_eq!(pay(json, r#"{"amount":"five"}"#).await.status, 422);
    let first = pay(json, r#"{"amount":5}"#).await;
    assert_eq!((first.status, first.text()), (200, "5 EUR"));
    assert!(pay(json, r#"{"amount":5}"#).await.is_replayed());
    assert_eq!(pay(json, r#"{"amount":6}"#).await.status, 422);
}

/// A final refusal is recorded if it has the extension `Keep`, or if `failure_if` says that it is no failure.
#[tokio::test]
async fn f55_a_refusal_is_recorded_with_keep_or_failure_if() {
    let runs = Arc::<AtomicUsize>::default();
    let handler = {
        let runs = Arc::clone(&runs);
        move || async move {
            runs.fetch_add(1, SeqCst);
            (StatusCode::PAYMENT_REQUIRED, axum::Extension(Keep), "no").into_response()
        }
    };
    let layer = || async { RedlockLayer::new(redlock().await, by_user()) };
    let marked = Router::new()
        .route("/pay", post(handler))
        .layer(layer().await.replay(MemoryStore::new(), DAY));
    let runs_of_all = Arc::default();
    let all = layer()
        .await
        .failure_if(|head| head.status.is_server_error())
        .replay(MemoryStore::new(), DAY);
    let all = answering(&runs_of_all).layer(all);
    for (app, path, failure, runs) in [(marked, "/pay", 402, runs), (all, "/404", 404, runs_of_all)]
    {
        for again in [false, true, true] {
            let request = submit(path, "1", "");
            let answer = send(&app, request).await;
            assert_eq!((answer.status, answer.is_replayed()), (failure, again));
        }
        assert_eq!(runs.load(SeqCst), 1);
    }
}

/// A server drops a body of known length after its last byte.
#[tokio::test]
async fn f49_the_end_of_a_body_is_its_announced_length() {
    let handler = async |Path(chunks): Path<usize>| -> Response {
        let words = (0..chunks).map(|_| Ok::<_, std::io::Error>("word "));
        let body = Body::from_stream(futures_util::stream::iter(words));
        ([(header::CONTENT_LENGTH, (5 * chunks).to_string())], body).into_response()
    };
    for chunks in [0, 1, 3] {
        let cluster = redlock::memory::Nodes::new(3);
        let redlock = redlock::Redlock::connect(cluster.nodes()).await.unwrap();
        let layer = RedlockLayer::new(redlock, by_user())
            .no_wait()
            .dedupe_for(COOL_DOWN)
            .hold_until(HoldUntil::BodyEnd);
        let app = Router::new().route("/{chunks}", post(handler)).layer(layer);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        for (user, client) in [
            ("one", reqwest::Client::builder()),
            ("two", reqwest::Client::builder().http2_prior_knowledge()),
        ] {
            let client = client.build().unwrap();
            for status in [200, 409, 409] {
                let url = format!("http://{address}/{chunks}");
                let answer = client.post(url).header("x-user-id", user).send().await;
                let answer = answer.unwrap();
                assert_eq!(answer.status(), status, "{chunks} chunks");
                answer.bytes().await.unwrap();
            }
        }
    }
}

/// A body that ends before its announced length is a failure.
#[tokio::test]
async fn f49_an_incomplete_body_starts_no_cool_down() {
    let handler = async || {
        let words = [Ok("word "), Err(std::io::Error::other("on purpose"))];
        let body = Body::from_stream(futures_util::stream::iter(words));
        ([(header::CONTENT_LENGTH, "10")], body)
    };
    let layer = RedlockLayer::new(redlock().await, by_user())
        .no_wait()
        .dedupe_for(COOL_DOWN)
        .hold_until(HoldUntil::BodyEnd);
    let app = Router::new().route("/0", post(handler)).layer(layer);
    for _ in 0..3 {
        let answer = app.clone().oneshot(plain(0)).await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
        assert!(body.is_err());
    }
}

/// A record of the inner layer belongs to the key of the inner layer.
#[tokio::test]
async fn f43_a_record_of_an_inner_replay_does_not_replace_the_outer_cool_down() {
    let runs = Arc::new(AtomicUsize::new(0));
    let inner = RedlockLayer::new(redlock().await, by_user()).replay(MemoryStore::new(), DAY);
    let outer = RedlockLayer::new(redlock().await, key::header("x-user-id"))
        .no_wait()
        .dedupe_for(COOL_DOWN);
    let app = answering(&runs).layer(inner).layer(outer);
    for (key, status) in [("1", 200), ("2", 409), ("1", 409)] {
        let answer = app.clone().oneshot(submit("/200", key, "")).await.unwrap();
        assert_eq!(read(answer).await.status, status);
    }
    assert_eq!(runs.load(SeqCst), 1);
}
