//! gRPC: the response of a rejection, and which statuses are failures.

use super::Rejection;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// When a client with a retry policy tries again, in milliseconds.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// `grpc-message` percent-encodes everything but printable ASCII, and `%` itself.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// Whether these are headers of a gRPC message. Excludes gRPC-Web, whose trailers are part of the body.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else {
        return false;
    };
    matches!(
        kind.as_bytes().strip_prefix(b"application/grpc"),
        Some([] | [b'+' | b';', ..])
    )
}

/// A response without a body: gRPC's "Trailers-Only".
pub(super) fn response(rejection: &Rejection) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        STATUS,
        HeaderValue::from(u16::from(rejection.reason().grpc_code())),
    );
    let message = format!(
        "{} ({}). {}",
        rejection.title(),
        rejection.reason().as_str(),
        rejection.detail()
    );
    if let Ok(message) = HeaderValue::try_from(utf8_percent_encode(&message, ENCODED).to_string()) {
        headers.insert(MESSAGE, message);
    }
    if let Some(pushback) = rejection.pushback() {
        headers.insert(
            PUSHBACK,
            HeaderValue::from(u64::try_from(pushback).unwrap_or(u64::MAX)),
        );
    }
    response
}

/// Whether the gRPC status in these headers or trailers is other than OK. `None` if they contain no status.
pub(crate) fn status_failed(headers: &HeaderMap) -> Option<bool> {
    let status = headers.get(STATUS)?;
    Some(status.as_bytes().trim_ascii() != b"0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reject::Reason;

    #[test]
    fn grpc_is_recognized_by_its_content_type() {
        for (kind, is) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            assert_eq!(is_grpc(&headers), is, "{kind}");
        }
    }

    #[test]
    fn a_rejection_is_a_status_with_http_200() {
        let response = response(&Rejection::new(Reason::Busy));
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[STATUS], "10");
        assert_eq!(response.headers()[PUSHBACK], "1000");
    }

    #[test]
    fn every_status_but_ok_is_a_failure() {
        let failed = |code: &'static str| {
            status_failed(&HeaderMap::from_iter([(
                STATUS,
                HeaderValue::from_static(code),
            )]))
        };
        assert_eq!(
            (failed("0"), failed("3"), failed("13"), failed("x")),
            (Some(false), Some(true), Some(true), Some(true))
        );
        assert_eq!(status_failed(&HeaderMap::new()), None);
    }
}
