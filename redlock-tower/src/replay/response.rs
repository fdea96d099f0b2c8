//! What is recorded of a response: whether, which headers, and how much of the body.

use super::{ReplayBody, ReplayOptions, body::Tail, record::Whole};
use crate::{
    body::BoxError,
    http::{Policy, Recorded},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header, response::Parts};
use http_body::Body;
use http_body_util::BodyExt as _;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Maximum time to wait for the end of a body before the head of its response is sent.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// Headers of the connection rather than of the response (RFC 9110, section 7.6.1), and the time of sending.
const NEVER_RECORDED: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::DATE,
];

/// An extension of a response: it is recorded whatever its status.
///
/// For a final refusal, which a repeated request must not try again.
///
/// ```
/// use axum::{Extension, http::StatusCode, response::IntoResponse};
/// use redlock_tower::replay::Keep;
///
/// async fn pay() -> impl IntoResponse {
///     (StatusCode::PAYMENT_REQUIRED, Extension(Keep), "the card was declined")
/// }
/// # let _ = pay;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Keep;

/// Whether the response may be recorded. A 101 hands the connection over, so it has no body to record.
pub(super) fn is_recordable<St>(
    head: &Parts,
    policy: &Policy,
    options: &ReplayOptions<St>,
) -> bool {
    let keep = head.extensions.get::<Keep>().is_some()
        || match &options.record_if {
            Some(record_if) => !Policy::is_refusal(head) && record_if(head),
            None => !policy.is_failure(head),
        };
    keep && !head.status.is_informational()
}

/// Whether these headers allow for a whole record. A cookie that is not recorded is missing from a shared response, which
/// the client takes for the response to its own request.
pub(super) fn has_a_record<St>(headers: &HeaderMap, options: &ReplayOptions<St>) -> bool {
    let cookie_is_lost =
        options.share.is_some() && !options.cookies && headers.contains_key(header::SET_COOKIE);
    !is_event_stream(headers) && !cookie_is_lost
}

/// Events of a stream are for the clients that are connected now.
fn is_event_stream(headers: &HeaderMap) -> bool {
    const EVENT_STREAM: &[u8] = b"text/event-stream";
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.as_bytes().get(..EVENT_STREAM.len()))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(EVENT_STREAM))
}

/// The headers that are recorded.
pub(super) fn recorded_headers<St>(headers: &HeaderMap, options: &ReplayOptions<St>) -> HeaderMap {
    let mut recorded = headers.clone();
    let listed = headers.get_all(header::CONNECTION).iter();
    let listed = listed.filter_map(|value| value.to_str().ok());
    for name in listed.flat_map(|value| value.split(',')) {
        recorded.remove(name.trim());
    }
    for name in NEVER_RECORDED.iter().chain(&*options.except) {
        recorded.remove(name);
    }
    if !options.cookies {
        recorded.remove(header::SET_COOKIE);
    }
    recorded
}

/// Reads at most `limit` bytes within [`READ_TIMEOUT`]. Returns them, and what follows.
pub(super) async fn read_ahead<B>(body: B, limit: usize) -> (Bytes, Tail<B>)
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    if body.size_hint().lower() > limit as u64 {
        return (Bytes::new(), Tail::Rest(body));
    }
    let deadline = Instant::now() + READ_TIMEOUT;
    let mut body = Box::pin(body);
    let mut start = BytesMut::new();
    loop {
        let tail = match timeout_at(deadline, body.frame()).await {
            Err(_) => Tail::Boxed(body),
            Ok(None) => Tail::Empty,
            Ok(Some(Err(error))) => Tail::Failed(Some(error.into())),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    start.extend_from_slice(&data);
                    if start.len() <= limit {
                        continue;
                    }
                    Tail::Boxed(body)
                }
                Err(frame) => Tail::Trailers(frame.into_trailers().ok()),
            },
        };
        return (start.freeze(), tail);
    }
}

/// The response of a repeated request. It is marked as replayed if the client knows that its request is a repetition.
pub(super) fn replayed<B>(whole: Whole, marked: bool) -> Response<ReplayBody<B>> {
    let tail = match whole.trailers {
        Some(trailers) => Tail::Trailers(Some(trailers)),
        None => Tail::Empty,
    };
    let mut response = Response::new(ReplayBody::new(whole.body, tail));
    *response.status_mut() = whole.status;
    *response.headers_mut() = whole.headers;
    if marked {
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response.extensions_mut().insert(Recorded);
    response
}
