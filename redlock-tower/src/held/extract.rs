//! The extractor for axum handlers.

use super::{HeldLock, Passed};
use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use std::fmt;

impl<S: Sync> FromRequestParts<S> for HeldLock {
    type Rejection = HeldLockRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        look(parts)?.map_err(HeldLockRejection)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for HeldLock {
    type Rejection = HeldLockRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        // A middleware that runs the handler in a task of its own hides why the request has no lock.
        Ok(parts.extensions.get::<HeldLock>().cloned())
    }
}

fn look(parts: &Parts) -> Result<Result<HeldLock, Missing>, HeldLockRejection> {
    match (parts.extensions.get::<HeldLock>(), Passed::here()) {
        (Some(lock), _) => Ok(Ok(lock.clone())),
        (None, Some(passed)) => Ok(Err(Missing::Passed(passed))),
        (None, None) => Err(HeldLockRejection(Missing::Layer)),
    }
}

/// The handler asks for a [`HeldLock`] and there is none: a mistake in the program, answered with 500.
#[derive(Clone, Debug)]
pub struct HeldLockRejection(Missing);

#[derive(Clone, Copy, Debug)]
enum Missing {
    Layer,
    Passed(Passed),
}

impl fmt::Display for HeldLockRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Missing::Layer => f.write_str(
                "this handler takes a `HeldLock`, and no `RedlockLayer` is around its route. \
                 Did you forget to add the layer, or add it before the route? \
                 Or does a middleware in between run the handler in a task of its own?",
            ),
            Missing::Passed(passed) => write!(
                f,
                "this handler takes a `HeldLock`, and its request passed without a lock: {}. \
                 Take `Option<HeldLock>` if that may be.",
                passed.why()
            ),
        }
    }
}

impl std::error::Error for HeldLockRejection {}

impl IntoResponse for HeldLockRejection {
    fn into_response(self) -> Response {
        crate::events::no_held_lock(&self);
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}
