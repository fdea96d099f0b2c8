//! The result of a call, and the results that open a window.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use futures_util::future::BoxFuture;
use redlock::{Redlock, Result, redlock};
use tests::{Logs, within};
use tokio::time::Instant;
use tracing::level_filters::LevelFilter;

use tests::{World, world::BOUND};

#[redlock(key = "submit", ttl = "10s", lock = locks, dedupe_for = "5s")]
async fn submit(locks: &Redlock) -> Result<()> {
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(())
}

#[redlock(key = "submit", ttl = "10s", lock = locks, dedupe_for = "5s", on_busy = skip)]
async fn submit_or_skip(locks: &Redlock) -> Option<u8> {
    Some(1)
}

#[redlock(key = "submit", ttl = "10s", lock = locks, wait = "4s", on_error = |error| Err(error.is_cooling_down()))]
async fn other_words(locks: &Redlock) -> Result<(), bool> {
    Ok(())
}

#[tokio::test]
async fn f20_a_duplicate_in_the_window_is_refused_at_once() {
    let world = World::new().await;
    let start = Instant::now();
    let (first, second, third) = tokio::join!(
        submit(&world.locks),
        submit(&world.elsewhere),
        submit(&world.locks)
    );
    let refused = [first, second, third].into_iter().filter_map(Result::err);
    let refused: Vec<_> = refused.collect();
    assert_eq!(refused.len(), 2);
    for error in &refused {
        assert!(error.is_cooling_down(), "{error}");
        assert!(error.retry_after().is_some());
    }
    assert_eq!(submit_or_skip(&world.elsewhere).await, None);
    assert_eq!(other_words(&world.elsewhere).await, Err(true));
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "well within the window"
    );
}

#[redlock(key = "page", ttl = "10s", lock = locks, fail_open, guard = held)]
async fn page(locks: &Redlock) -> Result<bool> {
    Ok(held.is_some())
}

#[redlock(key = "page", ttl = "10s", lock = locks)]
async fn closed(locks: &Redlock) -> Result<()> {
    Ok(())
}

/// The wait is the client's, 10 s: without `fail_open` a call takes all of it.
#[tokio::test]
async fn f26_fail_open_decides_after_one_attempt() {
    let world = World::new().await;
    world.nodes.node(0).stop();
    world.nodes.node(1).stop();
    let shut = tokio::spawn({
        let locks = world.locks.clone();
        async move { closed(&locks).await }
    });
    let start = Instant::now();
    // One of them waits behind another in this process.
    let (one, two) = tokio::join!(page(&world.elsewhere), page(&world.elsewhere));
    assert!(!one.unwrap() && !two.unwrap(), "ran without the lock");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(!shut.is_finished(), "without fail_open it is waited for");
    shut.abort();
}

#[redlock(key = "slow", ttl = "10m", lock = locks, on_busy = skip)]
#[expect(
    deprecated,
    reason = "the hint is right, and this shows what it spares"
)]
async fn never(locks: &Redlock) {
    unreachable!("ran with a ttl above max_ttl")
}

#[redlock(key = "slow", ttl = "10s", lock = locks, on_busy = skip)]
async fn nested(locks: &Redlock) -> Option<u8> {
    inner(locks).await
}

#[redlock(key = "slow", ttl = "10s", lock = locks, on_busy = skip)]
async fn inner(locks: &Redlock) -> Option<u8> {
    Some(1)
}

#[redlock(key = "secret-key", ttl = "10m", lock = locks, on_busy = skip)]
#[expect(
    deprecated,
    reason = "the hint is right, and this shows what it spares"
)]
async fn secret(locks: &Redlock) {}

#[tokio::test]
async fn f21_a_function_that_can_never_run_is_logged_as_an_error_with_its_reason() {
    let logs = Logs::capture(LevelFilter::INFO);
    let world = World::new().await;
    never(&world.locks).await;
    let told = logs.lines_with("did not run");
    assert_eq!(told.len(), 1, "{}", logs.text());
    for part in ["ERROR", "never", "InvalidTtl", "600s", "max_ttl", "60s"] {
        assert!(told[0].contains(part), "{part}: {told:?}");
    }
    assert_eq!(nested(&world.locks).await, None);
    let told = logs.lines_with("AlreadyHeld");
    assert!(
        told[0].contains("ERROR") && told[0].contains("reentrant"),
        "{told:?}"
    );
    secret(&world.locks).await;
    assert!(
        logs.lines_with("secret-key").is_empty(),
        "keys are for debugging"
    );
}

#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Ok,
    Moved,
    Missing,
    Broken,
}

impl Outcome {
    fn status(self) -> StatusCode {
        match self {
            Self::Ok => StatusCode::CREATED,
            Self::Moved => StatusCode::SEE_OTHER,
            Self::Missing => StatusCode::NOT_FOUND,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

fn busy(_: redlock::Error) -> Response {
    StatusCode::CONFLICT.into_response()
}

#[redlock(key = "k", ttl = "10s", lock = locks, no_wait, dedupe_for = "1m", on_error = |_| (StatusCode::CONFLICT, "busy"))]
async fn opaque(locks: &Redlock, outcome: Outcome) -> impl IntoResponse {
    (outcome.status(), "done")
}

#[redlock(key = "k", ttl = "10s", lock = locks, no_wait, dedupe_for = "1m", on_error = busy)]
async fn response(locks: &Redlock, outcome: Outcome) -> Response {
    if outcome == Outcome::Moved {
        return Redirect::to("/x").into_response();
    }
    (outcome.status(), Json(1)).into_response()
}

#[redlock(key = "k", ttl = "10s", lock = locks, no_wait, dedupe_for = "1m")]
async fn nested_reply(
    locks: &Redlock,
    outcome: Outcome,
) -> Result<
    (
        [(header::HeaderName, &'static str); 1],
        (StatusCode, HeaderMap, String),
    ),
    redlock_tower::Rejection,
> {
    let headers = [(header::LOCATION, "/x")];
    Ok((headers, (outcome.status(), HeaderMap::new(), String::new())))
}

#[redlock(key = "k", ttl = "10s", lock = locks, no_wait, dedupe_for = "1m")]
fn boxed(locks: &Redlock, outcome: Outcome) -> BoxFuture<'_, Result<StatusCode, redlock::Error>> {
    Box::pin(async move {
        let _: u8 = "7".parse().unwrap_or_default();
        Ok(outcome.status())
    })
}

#[redlock(key = "k", ttl = "10s", lock = locks, no_wait, dedupe_for = "1m")]
#[expect(clippy::manual_async_fn, reason = "this form is what is tested")]
fn future(
    locks: &Redlock,
    outcome: Outcome,
) -> impl Future<Output = Result<impl IntoResponse + use<>>> + Send + use<'_> {
    async move { Ok(outcome.status()) }
}

/// A type of the user's own needs an explicit `success`.
enum Reply {
    Done,
    Failed,
}

#[redlock(key = "k", ttl = "10s", lock = locks, no_wait, dedupe_for = "1m",
          success = |reply| matches!(reply, Reply::Done), on_error = |_| Reply::Failed)]
async fn own(locks: &Redlock, outcome: Outcome) -> Reply {
    match outcome {
        Outcome::Ok | Outcome::Moved => Reply::Done,
        Outcome::Missing | Outcome::Broken => Reply::Failed,
    }
}

#[tokio::test]
async fn f24_a_failure_inside_a_response_starts_no_cool_down() {
    for outcome in [
        Outcome::Ok,
        Outcome::Moved,
        Outcome::Missing,
        Outcome::Broken,
    ] {
        let opens = matches!(outcome, Outcome::Ok | Outcome::Moved);
        for kind in 0..6 {
            let world = World::new().await;
            let locks = &world.locks;
            match kind {
                0 => drop(opaque(locks, outcome).await),
                1 => drop(response(locks, outcome).await),
                2 => drop(nested_reply(locks, outcome).await.unwrap()),
                3 => drop(boxed(locks, outcome).await.unwrap()),
                4 => drop(future(locks, outcome).await.unwrap()),
                _ => _ = own(locks, outcome).await,
            }
            assert_eq!(world.is_held("k"), opens, "{kind}");
        }
    }
}

struct Order {
    id: u64,
}

#[redlock(key = "order:{order.id}", ttl = "10s", lock = locks, no_wait, on_error = { let id = order.id; move |_| Err(format!("order {id}")) })]
async fn by_clone(locks: &Redlock, order: Order) -> Result<u64, String> {
    let Order { id } = order;
    Ok(id)
}

#[redlock(key = "order:{name}", ttl = "10s", lock = locks, no_wait, on_error = |_| Err(format!("{unnamed}: {n}")))]
async fn not_named(
    locks: &Redlock,
    name: String,
    unnamed: String,
    n: u8,
) -> Result<String, String> {
    Ok(format!("{name}{n}"))
}

#[tokio::test]
async fn f30_on_error_may_use_the_variables_of_the_body() {
    let world = World::new().await;
    let locks = &world.locks;
    assert_eq!(by_clone(locks, Order { id: 7 }).await, Ok(7));
    let name = || "a".to_owned();
    assert_eq!(not_named(locks, name(), name(), 1).await.unwrap(), "a1");
    let held = ["order:7", "order:a"].map(|key| world.elsewhere.lock(key).keep_alive(true));
    let _held = within(
        BOUND,
        futures_util::future::join_all(held.map(IntoFuture::into_future)),
    )
    .await;
    assert_eq!(
        by_clone(locks, Order { id: 7 }).await.unwrap_err(),
        "order 7"
    );
    assert_eq!(
        not_named(locks, name(), name(), 1).await.unwrap_err(),
        "a: 1"
    );
}
