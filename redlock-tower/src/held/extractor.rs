//! [`HeldLock`] as an axum extractor.

use super::{HeldLock, Unlocked};
use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use std::fmt;

impl<S: Sync> FromRequestParts<S> for HeldLock {
    type Rejection = HeldLockRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        match parts.extensions.get::<HeldLock>() {
            Some(lock) => Ok(lock.clone()),
            None => Err(HeldLockRejection {
                unlocked: Unlocked::current(),
            }),
        }
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for HeldLock {
    type Rejection = HeldLockRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        // Do not look for the reason: a middleware that spawns the handler hides the task-local value.
        Ok(parts.extensions.get::<HeldLock>().cloned())
    }
}

/// The rejection of the extractor [`HeldLock`] for a request without a lock: a mistake in the program, status 500.
#[derive(Clone, Debug)]
pub struct HeldLockRejection {
    /// `None` if no layer is known to be around the route.
    unlocked: Option<Unlocked>,
}

impl fmt::Display for HeldLockRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unlocked {
            None => f.write_str(
                "this handler takes a `HeldLock`, and no `RedlockLayer` is around its route. \
                 Did you forget to add the layer, or add it before the route? \
                 Or does a middleware in between run the handler in a task of its own?",
            ),
            Some(unlocked) => write!(
                f,
                "this handler takes a `HeldLock`, and its request runs without a lock: {}. \
                 Take `Option<HeldLock>` if that is intended.",
                unlocked.message()
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
