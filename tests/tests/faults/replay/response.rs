//! A replayed response equals the first one.

use axum::{Router, body::Body, response::Response, routing::post};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use redlock_tower::{RedlockLayer, replay::MemoryStore};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tests::web::{DAY, SOON, by_user, read, redlock, submit};
use tests::within;
use tokio::time::Instant;
use tower::ServiceExt as _;

/// The first response and the second one.
async fn twice(handler: fn() -> Response) -> [(HeaderMap, Bytes, Option<HeaderMap>, u16); 2] {
    let layer = RedlockLayer::new(redlock().await, by_user()).replay(MemoryStore::new(), DAY);
    let app = Router::new()
        .route("/", post(async move || handler()))
        .layer(layer);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let answer = app.clone().oneshot(submit("/", "1", "")).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = within(SOON, body.collect()).await.unwrap();
        let trailers = body.trailers().cloned();
        answers.push((
            head.headers,
            body.to_bytes(),
            trailers,
            head.status.as_u16(),
        ));
    }
    answers.try_into().unwrap()
}

#[tokio::test]
async fn f45_the_headers_of_the_response_are_replayed() {
    let [(first, body, _, _), (mut again, same, _, status)] = twice(|| {
        Response::builder()
            .status(206)
            .header("content-type", "application/json")
            .header("content-encoding", "gzip")
            .header("content-range", "bytes 0-9/100")
            .header("content-disposition", "attachment; filename=\"a.json\"")
            .header("content-language", "de")
            .header("cache-control", "no-store")
            .header("vary", "accept-encoding")
            .header("link", "</a>; rel=next")
            .header("link", "</b>; rel=prev")
            .header("etag", "\"1\"")
            .header("x-total-count", "7")
            .header("content-security-policy", "default-src 'none'")
            .body(Body::from("\x1f\u{8b}bytes"))
            .unwrap()
    })
    .await;
    assert_eq!((status, body), (206, same));
    assert_eq!(again.remove("idempotency-replayed").unwrap(), "true");
    assert_eq!(first, again);
}

#[tokio::test]
async fn f45_headers_of_the_connection_and_cookies_are_not_replayed() {
    let [(first, ..), (again, ..)] = twice(|| {
        Response::builder()
            .header("connection", "x-hop, keep-alive")
            .header("x-hop", "1")
            .header("keep-alive", "timeout=5")
            .header("date", "Thu, 26 Nov 2026 08:00:00 GMT")
            .header("set-cookie", "session=1")
            .header("x-end", "1")
            .body(Body::empty())
            .unwrap()
    })
    .await;
    assert_eq!(first["set-cookie"], "session=1");
    let mut names: Vec<_> = again.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "idempotency-replayed", "x-end"]);
}

#[tokio::test]
async fn f45_trailers_are_replayed() {
    let [(_, body, first, _), (headers, same, again, _)] = twice(|| {
        let trailers =
            HeaderMap::from_iter([("x-checksum".parse().unwrap(), "7".parse().unwrap())]);
        let frames = [
            Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"all"))),
            Ok(Frame::trailers(trailers)),
        ];
        Response::new(Body::new(StreamBody::new(stream::iter(frames))))
    })
    .await;
    assert_eq!(headers["idempotency-replayed"], "true");
    assert_eq!((body, first), (same, again.clone()));
    assert_eq!(again.unwrap()["x-checksum"], "7");
}

/// After a 101 the connection no longer carries responses.
#[tokio::test]
async fn f45_a_101_is_never_recorded() {
    let runs = Arc::<AtomicUsize>::default();
    let handler = {
        let runs = Arc::clone(&runs);
        async move || {
            runs.fetch_add(1, SeqCst);
            StatusCode::SWITCHING_PROTOCOLS
        }
    };
    let layer = RedlockLayer::new(redlock().await, by_user())
        .failure_if(|_| false)
        .replay(MemoryStore::new(), DAY);
    let app = Router::new().route("/", post(handler)).layer(layer);
    for run in 1..3 {
        let answer = app.clone().oneshot(submit("/", "1", "")).await.unwrap();
        assert_eq!((answer.status().as_u16(), runs.load(SeqCst)), (101, run));
    }
}

/// A stream is sent as it is produced. Its request does not run again, and the rejection says so. An event stream is not
/// even read ahead, as the paused clock shows.
#[tokio::test(start_paused = true)]
async fn f45_a_stream_is_neither_recorded_nor_delayed() {
    const READ_TIMEOUT: Duration = Duration::from_secs(1);
    for (kind, delay) in [
        ("text/event-stream", Duration::ZERO),
        ("application/x-ndjson", READ_TIMEOUT),
    ] {
        let endless = move || async move {
            let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"data: 1\n\n"))]);
            let body = Body::from_stream(first.chain(stream::pending()));
            ([("content-type", kind)], body)
        };
        let layer = RedlockLayer::new(redlock().await, by_user()).replay(MemoryStore::new(), DAY);
        let app = Router::new().route("/", post(endless)).layer(layer);
        let start = Instant::now();
        let answer = app.clone().oneshot(submit("/", "1", ""));
        let answer = within(SOON, answer).await.unwrap();
        let mut body = answer.into_body();
        let frame = within(SOON, body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "data: 1\n\n");
        let elapsed = start.elapsed();
        assert!(
            (delay..delay + READ_TIMEOUT / 2).contains(&elapsed),
            "{kind}: {elapsed:?}"
        );
        drop(body);
        let again = read(app.clone().oneshot(submit("/", "1", "")).await.unwrap()).await;
        assert!(!again.is_replayed());
        assert!(again.text().contains("not-replayable"), "{kind}");
    }
}
