//! Responses whose body a server never reads, under `hold_until(BodyEnd)`: the hold ends with the head, and a window opens as after
//! any other success.

use axum::{Router, body::Body, response::Response, routing::any};
use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body::{Frame, SizeHint};
use redlock_tower::{HoldUntil, RedlockLayer, key};
use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tests::web::{SOON, all_free, held, locks, serve};
use tests::within;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

const WINDOW: Duration = Duration::from_secs(30);

type Respond = fn() -> Response;

/// Announces that it has no bytes, but does not know that it is at its end.
struct Nothing;

impl http_body::Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}

/// A service that answers every method with `response`.
async fn service(until: HoldUntil, response: Respond) -> (redlock::memory::Nodes, SocketAddr) {
    let (cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, key::header("x-user-id")).no_wait();
    let layer = layer
        .methods([Method::GET, Method::POST, Method::CONNECT])
        .namespace("bodiless")
        .hold_until(until)
        .dedupe_for(WINDOW);
    let app = Router::new()
        .route("/", any(async move || response()))
        .fallback(async move || response())
        .layer(layer);
    (cluster, serve(app).await)
}

/// The status of the response to a request, of which only the head is read.
async fn status(to: SocketAddr, line: &str, headers: &str) -> u16 {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let head = format!("{line} HTTP/1.1\r\nhost: shop\r\nx-user-id: ann\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = String::new();
    let mut reader = BufReader::new(stream);
    within(SOON, reader.read_line(&mut first)).await.unwrap();
    first.split(' ').nth(1).unwrap().parse().unwrap()
}

fn with(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn unsized_text() -> Body {
    let chunks = futures_util::stream::iter([Ok::<_, Infallible>(Bytes::from("ordered"))]);
    Body::from_stream(chunks)
}

#[tokio::test]
async fn a_window_opens_after_a_response_without_a_body() {
    let cases: [(&str, Respond); 7] = [
        ("HEAD /", || with(StatusCode::OK, Body::from("ordered"))),
        ("HEAD /", || with(StatusCode::OK, unsized_text())),
        ("POST /", || with(StatusCode::NO_CONTENT, unsized_text())),
        ("POST /", || with(StatusCode::NOT_MODIFIED, unsized_text())),
        ("POST /", || with(StatusCode::OK, Body::empty())),
        ("POST /", || with(StatusCode::OK, Body::new(Nothing))),
        ("POST /", || with(StatusCode::RESET_CONTENT, Body::empty())),
    ];
    for (turn, (line, response)) in cases.into_iter().enumerate() {
        let (cluster, to) = service(HoldUntil::BodyEnd, response).await;
        let first = status(to, line, "content-length: 0\r\n").await;
        assert_eq!(first, response().status().as_u16(), "case {turn}");
        let again = status(to, line, "content-length: 0\r\n").await;
        assert_eq!(again, 409, "no window in case {turn}");
        assert_eq!(held(&cluster).len(), 1, "the window of case {turn}");
    }
}

/// The work of a websocket begins with the head: a client that connects again is not refused.
#[tokio::test]
async fn no_window_opens_after_a_connection_was_handed_over() {
    let switch: Respond = || {
        let mut response = with(StatusCode::SWITCHING_PROTOCOLS, Body::empty());
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, "upgrade".parse().unwrap());
        headers.insert(header::UPGRADE, "chat".parse().unwrap());
        response
    };
    let tunnel: Respond = || with(StatusCode::OK, Body::empty());
    let cases = [
        (
            "GET /",
            "connection: upgrade\r\nupgrade: chat\r\n",
            switch,
            101,
        ),
        ("CONNECT shop:443", "", tunnel, 200),
    ];
    for until in [HoldUntil::Response, HoldUntil::BodyEnd] {
        for (line, headers, response, expected) in cases {
            let (cluster, to) = service(until, response).await;
            for turn in 0..3 {
                let status = status(to, line, headers).await;
                assert_eq!(status, expected, "{line}, {until:?}, turn {turn}");
                all_free(&cluster).await;
            }
        }
    }
}
