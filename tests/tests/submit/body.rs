//! The handler receives the body as the client sent it, and a body is read ahead only if its key is requested.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use http::{HeaderMap, Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt as _, LengthLimitError};
use redlock_tower::{
    Reason, RedlockLayer, Rejection, RequestBody,
    key::{self, KeyExtractor, WithBody},
};
use tests::web::{SOON, redlock};
use tests::within;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::keys::FORM;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A body of these frames, which counts how often it was polled.
struct Frames {
    frames: VecDeque<Result<Frame<Bytes>, Error>>,
    hint: SizeHint,
    polls: Arc<Mutex<usize>>,
}

impl Frames {
    fn new(frames: impl IntoIterator<Item = Result<Frame<Bytes>, Error>>) -> Self {
        Self {
            frames: frames.into_iter().collect(),
            hint: SizeHint::default(),
            polls: Arc::default(),
        }
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        *self.polls.lock().unwrap() += 1;
        Poll::Ready(self.frames.pop_front())
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

fn data(text: &'static str) -> Result<Frame<Bytes>, Error> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

fn checksum() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "7".parse().unwrap());
    trailers
}

/// What the handler sees of a body.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    exact: Option<u64>,
    lower: u64,
    ended: bool,
    text: String,
    trailers: Option<HeaderMap>,
    error: Option<String>,
}

impl Seen {
    async fn of(body: RequestBody<Frames>) -> Self {
        let mut seen = Self {
            exact: body.size_hint().exact(),
            lower: body.size_hint().lower(),
            ended: body.is_end_stream(),
            ..Self::default()
        };
        let mut body = std::pin::pin!(body);
        while let Some(frame) = body.frame().await {
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => seen.text += std::str::from_utf8(&data).unwrap(),
                Ok(Err(trailers)) => seen.trailers = trailers.into_trailers().ok(),
                Err(error) => seen.error = Some(error.to_string()),
            }
        }
        seen
    }
}

/// Sends a form through a layer with a limit of 16 bytes. Returns what the handler saw, or why the request was rejected.
async fn pass(
    key: impl KeyExtractor<Reads = WithBody>,
    headers: &[(&str, &str)],
    body: Frames,
) -> Result<Seen, Reason> {
    let seen: Arc<Mutex<Option<Seen>>> = Arc::default();
    let handler = {
        let seen = Arc::clone(&seen);
        service_fn(move |request: Request<RequestBody<Frames>>| {
            let seen = Arc::clone(&seen);
            Box::pin(async move {
                let body = Seen::of(request.into_body()).await;
                *seen.lock().unwrap() = Some(body);
                Ok::<_, Infallible>(Response::new(Body::empty()))
            })
        })
    };
    let layer = RedlockLayer::new(redlock().await, key).max_body(16);
    let mut request = Request::post("/orders");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body).unwrap();
    let response = within(SOON, layer.layer(handler).oneshot(request))
        .await
        .unwrap();
    let seen = seen.lock().unwrap().take();
    match response.extensions().get::<Rejection>() {
        Some(rejection) => {
            assert_eq!(seen, None, "a rejected request does not reach the handler");
            assert_eq!(response.status(), rejection.status());
            Err(rejection.reason())
        }
        None => Ok(seen.unwrap()),
    }
}

#[tokio::test]
async fn the_handler_gets_the_bytes_the_trailers_and_the_length() {
    let body = Frames::new([
        data("tok"),
        data(""),
        data("en=t"),
        Ok(Frame::trailers(checksum())),
    ]);
    let seen = pass(key::form("token"), &[FORM], body).await.unwrap();
    let expected = Seen {
        exact: Some(7),
        lower: 7,
        text: "token=t".to_owned(),
        trailers: Some(checksum()),
        ..Seen::default()
    };
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn an_empty_body_stays_empty() {
    let seen = pass(key::form("token"), &[FORM], Frames::new([]))
        .await
        .unwrap();
    let expected = Seen {
        exact: Some(0),
        ended: true,
        ..Seen::default()
    };
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_body_is_not_read_ahead_if_the_key_is_in_the_head() {
    let either = || key::header("x-token").or(key::form("token"));
    let headers = &[FORM, ("x-token", "t")];
    let large = "a body above the limit of the layer, which streams";
    let mut body = Frames::new([data(large), Err("reset".into())]);
    body.hint.set_lower(40);
    body.hint.set_upper(60);
    let polls = Arc::clone(&body.polls);
    let seen = pass(either(), headers, body).await.unwrap();
    let expected = Seen {
        lower: 40,
        text: large.to_owned(),
        error: Some("reset".to_owned()),
        ..Seen::default()
    };
    assert_eq!(seen, expected);
    assert_eq!(*polls.lock().unwrap(), 3, "the handler alone has polled it");

    // If the first part of a key is missing, the second one is not requested.
    let both = (key::header("x-user-id"), key::form("token"));
    let seen = pass(both, &[FORM], Frames::new([data(large)]))
        .await
        .unwrap();
    assert_eq!(seen.text, large);
}

#[tokio::test]
async fn a_body_above_the_limit_is_413() {
    let largest = "token=0123456789";
    let seen = pass(key::form("token"), &[FORM], Frames::new([data(largest)]))
        .await
        .unwrap();
    assert_eq!(seen.text, largest);

    let chunks = || Frames::new([data(largest), data("0"), Err("not read".into())]);
    let rejected = pass(key::form("token"), &[FORM], chunks()).await;
    assert_eq!(rejected, Err(Reason::BodyTooLarge));

    let mut announced = Frames::new([data(largest)]);
    announced.hint.set_lower(17);
    let polls = Arc::clone(&announced.polls);
    let rejected = pass(key::form("token"), &[FORM], announced).await;
    assert_eq!(rejected, Err(Reason::BodyTooLarge));
    assert_eq!(*polls.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_body_above_a_limit_further_out_is_413() {
    #[derive(Debug)]
    struct Outer(Error);

    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("outer")
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&*self.0)
        }
    }

    let limited = http_body_util::Limited::new(Body::from("too long"), 1);
    let error = limited.collect().await.unwrap_err();
    assert!(error.is::<LengthLimitError>());
    let body = Frames::new([data("t"), Err(Box::new(Outer(error)))]);
    let rejected = pass(key::form("token"), &[FORM], body).await;
    assert_eq!(rejected, Err(Reason::BodyTooLarge));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_400_and_locks_nothing() {
    let body = Frames::new([data("token=t"), Err(Box::new(io::Error::other("reset")))]);
    let rejected = pass(key::form("token"), &[FORM], body).await;
    assert_eq!(rejected, Err(Reason::BodyUnreadable));
}

#[tokio::test]
async fn an_extractor_may_do_without_a_body_that_it_cannot_read() {
    struct Lenient;

    impl KeyExtractor for Lenient {
        type Future = Pin<Box<dyn Future<Output = Result<Option<key::Key>, key::KeyError>> + Send>>;
        type Scope = key::Unstated;
        type Reads = WithBody;

        fn extract(&self, parts: &http::request::Parts) -> Self::Future {
            let body = key::read_body(parts);
            Box::pin(async move { Ok(Some(key::Key::from(body.await.is_ok().to_string()))) })
        }
    }

    let large = "a body above the limit, ";
    let body = Frames::new([data(large), data("whole")]);
    let seen = pass(Lenient, &[], body).await.unwrap();
    assert_eq!(seen.text, format!("{large}whole"));

    let body = Frames::new([data("begun"), Err("reset".into())]);
    let seen = pass(Lenient, &[], body).await.unwrap();
    assert_eq!(
        (seen.text.as_str(), seen.error.as_deref()),
        ("begun", Some("reset"))
    );
}

#[tokio::test]
async fn an_extractor_may_read_the_body_in_a_task_of_its_own() {
    let by = key::from_async(|parts: &http::request::Parts| {
        let body = key::read_body(parts);
        async move {
            let body = tokio::spawn(body).await.unwrap();
            body.map(|body| Some(body.to_vec()))
        }
    });
    // `from_async` states that it reads heads, so only the second part of the key offers the body.
    let seen = pass(
        (by, key::fingerprint()),
        &[],
        Frames::new([data("a"), data("b")]),
    )
    .await;
    assert_eq!(seen.unwrap().text, "ab");
}
