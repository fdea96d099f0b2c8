//! axum handlers, with extractor patterns, with and without `#[debug_handler]`.

use ::axum::Router;
use ::axum::body::Body;
use ::axum::extract::{Path, State};
use ::axum::http::{Request, StatusCode};
use ::axum::response::{IntoResponse, Response};
use ::axum::routing::post;
use redlock::{Redlock, redlock};
use tower::ServiceExt as _;

use tests::World;

#[derive(Clone)]
struct App {
    locks: Redlock,
}

struct Refused(redlock::Error);

impl From<redlock::Error> for Refused {
    fn from(error: redlock::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = if self.0.is_busy() {
            StatusCode::CONFLICT
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        (status, self.0.to_string()).into_response()
    }
}

#[redlock(key = "order:{user}:{order}", ttl = "10s", lock = app.locks, no_wait)]
async fn submit(
    State(app): State<App>,
    Path((user, order)): Path<(String, u64)>,
    body: String,
) -> Result<(StatusCode, String), Refused> {
    if body.is_empty() {
        return Ok((StatusCode::BAD_REQUEST, String::new()));
    }
    Ok((StatusCode::CREATED, format!("{user} {order} {body}")))
}

#[::axum::debug_handler]
#[redlock(key = "order:{user}", ttl = "10s", lock = app.locks, no_wait, on_error = refused)]
async fn above(State(app): State<App>, Path(user): Path<String>) -> Response {
    user.into_response()
}

#[redlock(key = "order:{user}", ttl = "10s", lock = app.locks, no_wait, on_error = |error| Refused(error).into_response())]
#[::axum::debug_handler]
async fn below(State(app): State<App>, Path(user): Path<String>) -> impl IntoResponse {
    user.into_response()
}

/// The layer's own answer: status, `Retry-After` and problem body.
#[redlock(key = "order:{user}", ttl = "10s", lock = app.locks, no_wait)]
async fn as_the_layer(
    State(app): State<App>,
    Path(user): Path<String>,
) -> Result<String, redlock_tower::Rejection> {
    Ok(user)
}

fn refused(error: redlock::Error) -> Response {
    Refused(error).into_response()
}

async fn send(app: &Router, path: &str) -> StatusCode {
    let request = Request::post(path).body(Body::from("tea")).unwrap();
    app.clone().oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn handlers_lock_and_answer() {
    let world = World::new().await;
    let app = Router::new()
        .route("/orders/{user}/{order}", post(submit))
        .route("/above/{user}", post(above))
        .route("/below/{user}", post(below))
        .route("/layer/{user}", post(as_the_layer))
        .with_state(App {
            locks: world.locks.clone(),
        });
    assert_eq!(send(&app, "/orders/ann/7").await, StatusCode::CREATED);
    assert_eq!(send(&app, "/above/ann").await, StatusCode::OK);
    assert_eq!(send(&app, "/below/ann").await, StatusCode::OK);

    let _held = [
        world.busy("order:ann:7").await,
        world.busy("order:ann").await,
    ];
    assert_eq!(send(&app, "/orders/ann/7").await, StatusCode::CONFLICT);
    assert_eq!(send(&app, "/orders/bob/7").await, StatusCode::CREATED);
    assert_eq!(send(&app, "/above/ann").await, StatusCode::CONFLICT);
    assert_eq!(send(&app, "/below/ann").await, StatusCode::CONFLICT);

    assert_eq!(send(&app, "/layer/ann").await, StatusCode::CONFLICT);
    assert_eq!(send(&app, "/layer/bob").await, StatusCode::OK);

    world.lose_quorum();
    assert_eq!(
        send(&app, "/layer/bob").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        send(&app, "/orders/ann/7").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
}
