//! Errors of handlers, as `application/problem+json`.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use redlock::Error;
use serde_json::json;

/// The error of a handler.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The name of the user is missing, empty or too long.
    NoUser,
    NoSuchOrder(u64),
    NoSuchNode(usize),
    /// The lock was not acquired, or was lost.
    Lock(Error),
}

/// For `?` and the attribute.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Lock(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, detail) = match &self {
            Refusal::NoUser => (
                StatusCode::BAD_REQUEST,
                "say who orders in the header x-user-id, or in the field `user` of the form, with 64 characters at most".to_owned(),
            ),
            Refusal::NoSuchOrder(id) => (
                StatusCode::NOT_FOUND,
                format!("there is no order {id}, or it is too old to be shown"),
            ),
            Refusal::NoSuchNode(index) => (
                StatusCode::NOT_FOUND,
                format!("there is no node {index} inside this process"),
            ),
            Refusal::Lock(error) if error.is_busy() || error.is_timed_out() => (
                StatusCode::CONFLICT,
                "another request is at it; try again in a moment".to_owned(),
            ),
            Refusal::Lock(error) => {
                // The text contains keys and nodes, so log it and do not send it to the client.
                tracing::warn!(%error, "a request did not get its lock");
                let detail = match error.is_no_quorum() {
                    true => "there is no quorum, as too few nodes can vote now",
                    false => "the locks cannot be reached; try again in a moment",
                };
                (StatusCode::SERVICE_UNAVAILABLE, detail.to_owned())
            }
        };
        let problem = json!({ "title": status.canonical_reason(), "status": status.as_u16(), "detail": detail });
        let mut response = (status, Json(problem)).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response
    }
}
