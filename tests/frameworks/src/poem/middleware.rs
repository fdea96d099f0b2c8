use poem::{Endpoint, Error, Request, Result, http::StatusCode};
use redlock::{Redlock, key};
use std::sync::Arc;

/// Requests of a user run one at a time: `.around(move |next, request| one_at_a_time(redlock.clone(), next, request))`.
pub async fn one_at_a_time<E: Endpoint>(redlock: Redlock, next: Arc<E>, request: Request) -> Result<E::Output> {
    let Some(user) = request.header("x-user-id") else {
        return next.call(request).await; // nobody's request: without a lock
    };
    let guard = redlock.lock(format!("orders:{}", key::part(user))).no_wait().await.map_err(rejection)?;
    guard.run(next.call(request)).await.map_err(rejection)?
}

fn rejection(error: redlock::Error) -> Error {
    match error.is_busy() {
        true => Error::from_string("a request of this user is running", StatusCode::CONFLICT),
        false => Error::from_string("there is no lock, or it was lost", StatusCode::SERVICE_UNAVAILABLE),
    }
}
