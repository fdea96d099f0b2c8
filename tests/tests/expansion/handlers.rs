//! axum handlers, under `#[debug_handler]` and above it.
#![deny(
    warnings,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    let_underscore_drop,
    rust_2018_idioms,
    single_use_lifetimes
)]
// Written as users write it.
#![allow(clippy::needless_pass_by_value)]

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use redlock::{Redlock, redlock};

#[derive(Clone)]
struct App {
    locks: Redlock,
}

#[axum::debug_handler]
#[redlock(key = "{user}:{order}", ttl = "10s", lock = app.locks, on_error = refused)]
async fn under(
    State(app): State<App>,
    Path((user, order)): Path<(String, u64)>,
    body: String,
) -> Response {
    format!("{user} {order} {body}").into_response()
}

#[redlock(key = "{user}", ttl = "10s", lock = app.locks, on_error = |error| Err(error.to_string()))]
#[axum::debug_handler(state = App)]
async fn above(
    State(app): State<App>,
    Path(user): Path<String>,
) -> Result<impl IntoResponse, String> {
    Ok(user)
}

fn refused(error: redlock::Error) -> Response {
    error.to_string().into_response()
}

#[test]
fn compiles() {
    let _app: Router<App> = Router::new()
        .route("/a", post(under))
        .route("/b", post(above));
}
