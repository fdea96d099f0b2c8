//! Which requests are the same, and requests that cannot be read.

use axum::{
    Router,
    body::Body,
    routing::{post, put},
};
use bytes::Bytes;
use futures_util::stream;
use http::Request;
use redlock_tower::{
    KeyExtractor as _, RedlockLayer, key,
    replay::{MemoryStore, ReplayOptions},
};
use tests::web::{DAY, by_user, redlock, submit};
use tower_http::limit::RequestBodyLimitLayer;

fn routes() -> Router {
    let handler = async || "done";
    Router::new()
        .route("/orders/{id}", post(handler).put(handler))
        .route("/refunds", post(handler))
        .route("/either", put(handler).patch(handler))
}

async fn send(app: &Router, request: Request<Body>) -> (u16, bool) {
    let answer = tests::web::send(app, request).await;
    (answer.status, answer.is_replayed())
}

/// A client uses an `Idempotency-Key` for one request on all routes.
#[tokio::test]
async fn f52_another_method_path_query_or_body_is_422() {
    let layer = RedlockLayer::new(redlock().await, by_user()).replay(MemoryStore::new(), DAY);
    let per_submit = by_user().and(key::idempotency_key());
    let also = RedlockLayer::new(redlock().await, per_submit).replay(MemoryStore::new(), DAY);
    for app in [routes().layer(layer), routes().layer(also)] {
        let first = || submit("/orders/7", "1", "5 EUR");
        assert_eq!(send(&app, first()).await, (200, false));
        let mut by_put = first();
        *by_put.method_mut() = http::Method::PUT;
        for other in [
            by_put,
            submit("/orders/8", "1", "5 EUR"),
            submit("/orders/7?dry=1", "1", "5 EUR"),
            submit("/refunds", "1", "5 EUR"),
            submit("/orders/7", "1", "6 EUR"),
        ] {
            let shown = format!("{other:?}");
            assert_eq!(send(&app, other).await, (422, false), "{shown}");
        }
        assert_eq!(send(&app, first()).await, (200, true));
        assert_eq!(send(&app, submit("/refunds", "2", "")).await, (200, false));
    }
}

fn form(boundary: &str, amount: &str) -> Request<Body> {
    let body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n{amount}\r\n--{boundary}--\r\n"
    );
    let mut request = submit("/refunds", "1", body);
    let kind = format!("multipart/form-data; boundary={boundary}");
    let kind = kind.parse().unwrap();
    request.headers_mut().insert("content-type", kind);
    request
}

/// Browsers and most clients draw a new boundary for each try.
#[tokio::test]
async fn f52_a_repeated_form_may_have_another_boundary() {
    let layer = RedlockLayer::new(redlock().await, by_user()).replay(MemoryStore::new(), DAY);
    let app = routes().layer(layer);
    assert_eq!(send(&app, form("first", "5")).await, (200, false));
    assert_eq!(send(&app, form("another-one", "5")).await, (200, true));
    assert_eq!(send(&app, form("first", "6")).await, (422, false));
}

#[tokio::test]
async fn f52_the_fingerprint_is_configurable() {
    let options = ReplayOptions::new(MemoryStore::new(), DAY).fingerprint(|head, body| {
        let amount = body.split(|byte| *byte == b' ').next().unwrap_or_default();
        [head.uri.path().as_bytes(), amount].concat()
    });
    let app = routes().layer(RedlockLayer::new(redlock().await, by_user()).replay_with(options));
    let with = |body: &'static str| submit("/refunds?try=1", "1", body);
    assert_eq!(send(&app, with("5 EUR sent at 10:00")).await, (200, false));
    assert_eq!(send(&app, with("5 EUR sent at 10:01")).await, (200, true));
    assert_eq!(send(&app, with("6 EUR sent at 10:00")).await, (422, false));
}

/// An outer limit is exceeded while the replay reads the body, if the client does not announce the length.
#[tokio::test]
async fn f52_a_body_above_an_outer_limit_is_413() {
    let layer = RedlockLayer::new(redlock().await, by_user()).replay(MemoryStore::new(), DAY);
    let app = routes().layer(layer);
    let chunks = || {
        let chunks = (0..5).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 1000])));
        submit("/refunds", "1", Body::from_stream(stream::iter(chunks)))
    };
    let limited = app.clone().layer(RequestBodyLimitLayer::new(2000));
    assert_eq!(send(&limited, chunks()).await, (413, false));
    // Another limit, which returns its error in another wrapper.
    let boxed = app.clone().layer(axum::middleware::map_request(
        async |request: axum::extract::Request| {
            request.map(|body| Body::new(http_body_util::Limited::new(body, 2000)))
        },
    ));
    assert_eq!(send(&boxed, chunks()).await, (413, false));
    // Nothing has run with this key.
    assert_eq!(send(&app, chunks()).await, (200, false));
    // A client that aborted its body may try again.
    let broken = stream::iter([Ok(Bytes::new()), Err(std::io::Error::other("gone"))]);
    let broken = submit("/refunds", "2", Body::from_stream(broken));
    assert_eq!(send(&app, broken).await, (400, false));
}

/// A nested router removes its prefix from the path.
#[tokio::test]
async fn f52_equal_paths_of_two_nested_routers_are_different_requests() {
    let store = MemoryStore::new();
    let redlock = redlock().await;
    let part = |done: &'static str| {
        let layer = RedlockLayer::new(redlock.clone(), by_user()).replay(store.clone(), DAY);
        Router::new()
            .route("/{id}", post(async move || done))
            .layer(layer)
    };
    let app = Router::new()
        .nest("/orders", part("ordered"))
        .nest("/v1", Router::new().nest("/refunds", part("refunded")))
        .nest_service("/gifts", part("given"));
    assert_eq!(send(&app, submit("/orders/7", "1", "")).await, (200, false));
    for other in ["/v1/refunds/7", "/gifts/7"] {
        assert_eq!(
            send(&app, submit(other, "1", "")).await,
            (422, false),
            "{other}"
        );
        assert_eq!(
            send(&app, submit(other, other, "")).await,
            (200, false),
            "{other}"
        );
        assert_eq!(
            send(&app, submit(other, other, "")).await,
            (200, true),
            "{other}"
        );
    }
    assert_eq!(send(&app, submit("/orders/7", "1", "")).await, (200, true));
}

/// The search for a long boundary would be slow.
#[tokio::test]
async fn f52_a_boundary_that_is_too_long_is_ignored() {
    let layer = RedlockLayer::new(redlock().await, by_user()).replay(MemoryStore::new(), DAY);
    let app = routes().layer(layer);
    let long = "-".repeat(71);
    assert_eq!(send(&app, form(&long, "5 EUR")).await, (200, false));
    assert_eq!(send(&app, form(&long, "5 EUR")).await, (200, true));
    let longer = "-".repeat(72);
    assert_eq!(send(&app, form(&longer, "5 EUR")).await, (422, false));
}
