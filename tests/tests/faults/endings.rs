//! A hold ends before the response is sent, also after a panic or a loss, so that a client can submit again at once.

use std::{convert::Infallible, panic::AssertUnwindSafe, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    response::IntoResponse as _,
    routing::post,
};
use futures_util::{FutureExt as _, future::join_all, stream};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use redis::aio::MultiplexedConnection;
use redlock::{Redlock, redlock};
use redlock_tower::{HoldUntil, LockLayer, OnDisconnect, RedlockLayer, key};
use tests::{
    Cluster, eventually,
    proxy::{Direction, Flow, Proxy},
    within,
};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::catch_panic::CatchPanicLayer;

const SOON: Duration = Duration::from_secs(20);
/// Delay of the commands of the slow client.
const LATE: Duration = Duration::from_millis(60);
const MAX_HOLD: Duration = Duration::from_millis(400);

/// A client whose commands are delayed, and one whose commands are not.
async fn clients() -> (Cluster, Vec<Proxy>, Redlock, Redlock) {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    let slow = Redlock::connect(proxies.iter().map(Proxy::url))
        .await
        .unwrap();
    let quick = Redlock::connect(cluster.urls()).await.unwrap();
    for proxy in &proxies {
        proxy.set(Direction::ToServer, Flow::delay(LATE));
    }
    (cluster, proxies, slow, quick)
}

fn order(body: &'static str) -> Request<Body> {
    Request::post("/orders")
        .header("x-user-id", "ann")
        .body(Body::from(body))
        .unwrap()
}

/// Ends as the request says.
async fn bad_end(how: String) -> StatusCode {
    match how.as_str() {
        "panic" => panic!("on purpose"),
        "loss" | "hold" => std::future::pending().await,
        _ => StatusCode::CREATED,
    }
}

fn app(redlock: Redlock, max_hold: Duration, on_disconnect: OnDisconnect) -> Router {
    Router::new()
        .route("/orders", post(bad_end))
        .layer(
            RedlockLayer::new(redlock, key::header("x-user-id"))
                .namespace("orders")
                .no_wait()
                .ttl(Duration::from_millis(1_500))
                .max_hold(max_hold)
                .on_disconnect(on_disconnect),
        )
        .layer(CatchPanicLayer::new())
}

#[tokio::test]
async fn f44_a_resubmit_elsewhere_runs_after_a_panic_or_max_hold() {
    let (_cluster, _proxies, slow, quick) = clients().await;
    for on_disconnect in [OnDisconnect::Cancel, OnDisconnect::Finish] {
        let here = app(slow.clone(), MAX_HOLD, on_disconnect);
        let elsewhere = app(quick.clone(), MAX_HOLD, on_disconnect);
        for (how, status) in [("panic", 500), ("hold", 503), ("panic", 500)] {
            let first = within(SOON, here.clone().oneshot(order(how)))
                .await
                .unwrap();
            assert_eq!(first.status(), status, "{how} {on_disconnect:?}");
            let again = within(SOON, elsewhere.clone().oneshot(order("well"))).await;
            assert_eq!(again.unwrap().status(), 201, "{how} {on_disconnect:?}");
        }
    }
}

#[tokio::test]
async fn f44_a_resubmit_elsewhere_runs_after_a_loss() {
    let (cluster, _proxies, slow, quick) = clients().await;
    let here = app(slow, SOON, OnDisconnect::Cancel);
    let elsewhere = app(quick, SOON, OnDisconnect::Cancel);
    let first = tokio::spawn(here.oneshot(order("loss")));
    let key = "orders:x-user-id=ann";
    eventually(SOON, async || cluster.locked_on(key).await.len() == 3).await;
    // A majority has lost the key. The third node has it until the release arrives.
    for node in [0, 1] {
        let mut delete = redis::cmd("DEL");
        cluster.node(node).ask::<i64>(delete.arg(key)).await;
    }
    let first = within(SOON, first).await.unwrap().unwrap();
    assert_eq!(first.status(), StatusCode::SERVICE_UNAVAILABLE);
    let again = within(SOON, elsewhere.oneshot(order("well")))
        .await
        .unwrap();
    assert_eq!(again.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn f44_a_body_is_cut_off_after_the_release() {
    let (_cluster, _proxies, slow, quick) = clients().await;
    let endless = || {
        let frames = stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"part")), ()))
        });
        Body::from_stream(frames).into_response()
    };
    let app = |redlock| {
        Router::new()
            .route("/orders", post(async move || endless()))
            .layer(
                RedlockLayer::new(redlock, key::header("x-user-id"))
                    .no_wait()
                    .hold_until(HoldUntil::BodyEnd)
                    .max_hold(MAX_HOLD),
            )
    };
    let streaming = app(slow).oneshot(order("")).await.unwrap();
    let cut = within(SOON, streaming.into_body().collect()).await;
    assert!(cut.is_err());
    let again = within(SOON, app(quick).oneshot(order(""))).await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
}

#[tokio::test]
async fn f44_a_next_holder_succeeds_after_lock_layer_run_and_attribute() {
    #[redlock(key = const "a", ttl = "10s", lock = redlock, max_hold = "400ms")]
    async fn attribute(redlock: &Redlock, how: &str) -> Result<StatusCode, redlock::Error> {
        Ok(bad_end(how.to_owned()).await)
    }
    let (_cluster, _proxies, slow, quick) = clients().await;
    let service = LockLayer::new(slow.clone(), |_: &String| Some("a".to_owned()))
        .max_hold(MAX_HOLD)
        .layer(service_fn(async |how: String| {
            Ok::<_, Infallible>(bad_end(how).await)
        }));
    for how in ["panic", "hold"] {
        let outcome = AssertUnwindSafe(service.clone().oneshot(how.to_owned())).catch_unwind();
        let outcome = within(SOON, outcome).await;
        assert_eq!(outcome.is_err(), how == "panic");
        assert!(
            quick.try_lock("a").await.unwrap().is_some(),
            "service, {how}"
        );

        let run = slow
            .lock("a")
            .max_hold(MAX_HOLD)
            .run(async |_| bad_end(how.to_owned()).await);
        let outcome = within(SOON, AssertUnwindSafe(run).catch_unwind()).await;
        assert_eq!(outcome.is_err(), how == "panic");
        assert!(quick.try_lock("a").await.unwrap().is_some(), "run, {how}");

        let called = AssertUnwindSafe(attribute(&slow, how)).catch_unwind();
        let outcome = within(SOON, called).await;
        assert_eq!(outcome.is_err(), how == "panic");
        assert!(
            quick.try_lock("a").await.unwrap().is_some(),
            "attribute, {how}"
        );
    }
}

/// An instance whose handler ends as the request says. For a loss it deletes its own key.
fn instance(redlock: Redlock, nodes: Vec<MultiplexedConnection>) -> Router {
    let handler = move |headers: HeaderMap, how: String| {
        let nodes = nodes.clone();
        async move {
            if how == "loss" {
                let key = format!(
                    "orders:x-user-id={}",
                    headers["x-user-id"].to_str().unwrap()
                );
                for mut node in nodes {
                    let _: i64 = redis::cmd("DEL")
                        .arg(&key)
                        .query_async(&mut node)
                        .await
                        .unwrap();
                }
            }
            bad_end(how).await
        }
    };
    Router::new()
        .route("/orders", post(handler))
        .layer(
            RedlockLayer::new(redlock, key::header("x-user-id"))
                .namespace("orders")
                .no_wait()
                .ttl(Duration::from_secs(3))
                .max_hold(Duration::from_secs(2)),
        )
        .layer(CatchPanicLayer::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn f44_no_resubmit_is_rejected_in_a_mix_of_panics_losses_and_max_holds() {
    const USERS: usize = 40;
    const TURNS: usize = 12;
    let cluster = Cluster::start(3).await;
    let mut nodes = Vec::new();
    for node in [0, 1] {
        nodes.push(cluster.node(node).client().await);
    }
    let mut instances = Vec::new();
    for _ in 0..2 {
        let redlock = Redlock::builder()
            .nodes(cluster.urls())
            .node_timeout(Duration::from_secs(1))
            .connect()
            .await
            .unwrap();
        instances.push(instance(redlock, nodes.clone()));
    }
    let submit = |to: usize, user: usize, how: &str| {
        let request = Request::post("/orders")
            .header("x-user-id", user.to_string())
            .body(Body::from(how.to_owned()))
            .unwrap();
        let app = instances[to].clone();
        async move { app.oneshot(request).await.unwrap().status().as_u16() }
    };
    let user = |user: usize| async move {
        let mut rejected = 0;
        for turn in 0..TURNS {
            let (how, expected) = match (user + turn) % 8 {
                0 => ("hold", 503),
                1 => ("loss", 503),
                2 | 3 => ("panic", 500),
                _ => ("well", 201),
            };
            let first = submit(turn % 2, user, how).await;
            rejected += usize::from(first == 409);
            assert!(first == expected || first == 409, "{how}: {first}");
            let again = submit((turn + 1) % 2, user, "well").await;
            rejected += usize::from(again != 201);
        }
        rejected
    };
    let rejected = within(Duration::from_secs(120), join_all((0..USERS).map(user))).await;
    let submits = USERS * TURNS * 2;
    assert_eq!(rejected.iter().sum::<usize>(), 0, "rejected of {submits}");
}
