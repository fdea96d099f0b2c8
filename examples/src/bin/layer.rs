//! The layer: of two concurrent requests of one user, one is rejected; other users are not affected.

use std::{convert::Infallible, process::ExitCode, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
    routing::post,
};
use examples::{Locks, say};
use redlock_tower::{RedlockLayer, key};
use tower::ServiceExt;

#[tokio::main]
async fn main() -> ExitCode {
    examples::no_options(
        "layer",
        "The layer: of two concurrent requests of one user, one is rejected; other users are not affected",
        examples::REDIS_URLS,
    );
    examples::exit_code(run().await)
}

async fn run() -> Result<(), String> {
    let locks = Locks::from_env().await?;
    let layer = RedlockLayer::new(locks.redlock, key::header("x-user-id"))
        .no_wait()
        .ttl(Duration::from_secs(10));
    let app = Router::new().route("/payments", post(pay)).layer(layer);

    let (first, second, other) =
        tokio::join!(send(&app, "ada"), send(&app, "ada"), send(&app, "bob"));
    say(format_args!("ada pays:       {first}"));
    say(format_args!("ada pays again: {second}"));
    say(format_args!("bob pays:       {other}"));
    Ok(())
}

async fn pay() -> StatusCode {
    tokio::time::sleep(Duration::from_millis(500)).await;
    StatusCode::CREATED
}

async fn send(app: &Router, user: &str) -> String {
    let request = Request::post("/payments")
        .header("x-user-id", user)
        .body(Body::empty());
    let Ok(request) = request else {
        return "no request".to_owned();
    };
    let answer: Result<_, Infallible> = app.clone().oneshot(request).await;
    let Ok(answer) = answer;
    let status = answer.status();
    match answer
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|seconds| seconds.to_str().ok())
    {
        Some(seconds) => format!("{status}, to be tried again in {seconds} s"),
        None => status.to_string(),
    }
}
