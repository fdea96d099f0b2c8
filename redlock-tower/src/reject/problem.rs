//! The default response of a rejection: problem details (RFC 9457), or a gRPC status.

use super::{Rejection, grpc};
use bytes::Bytes;
use http::{
    HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
};

pub(crate) fn response(rejection: &Rejection, grpc: bool) -> Response<Bytes> {
    if grpc {
        grpc::response(rejection)
    } else {
        problem(rejection)
    }
}

fn problem(rejection: &Rejection) -> Response<Bytes> {
    let mut problem = serde_json::json!({
        "type": rejection.problem_type(),
        "title": rejection.title(),
        "status": rejection.status().as_u16(),
        "detail": rejection.detail(),
    });
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = rejection.status();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    // The next request may succeed.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = rejection.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        problem["retry_after"] = seconds.into();
    }
    *response.body_mut() = Bytes::from(problem.to_string());
    response
}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for Rejection {
    fn into_response(self) -> axum::response::Response {
        self.log();
        let mut response = response(&self, false).map(axum::body::Body::from);
        response.extensions_mut().insert(self);
        response
    }
}
