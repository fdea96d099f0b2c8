//! The replay for a repeated `Idempotency-Key`.

use axum::{Router, body::Body, extract::State, response::IntoResponse, routing::post};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, Request, StatusCode};
use redlock_tower::{
    HeldLock, KeyExtractor as _, Reason, RedlockLayer, key,
    replay::{Begun, MemoryStore, RedisStore, ReplayOptions, ReplayStore, StoreError},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tests::web::{DAY, Orders, SOON, all_free, by_user, locks, request, send, start};
use tests::within;
use tower::ServiceExt as _;

fn pay(user: &str, key: &str, body: &str) -> Request<Body> {
    request(
        "POST",
        "/pay",
        &[("x-user-id", user), ("idempotency-key", key)],
        body,
    )
}

/// A handler that counts its runs and responds with the count.
fn counting() -> (Router, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let handler = async |State(runs): State<Arc<AtomicUsize>>, body: String| {
        let run = runs.fetch_add(1, SeqCst) + 1;
        let headers = [
            ("location", format!("/payments/{run}")),
            ("set-cookie", "s=1".to_owned()),
        ];
        match body.as_str() {
            "fail" => StatusCode::BAD_GATEWAY.into_response(),
            "later" => StatusCode::TOO_MANY_REQUESTS.into_response(),
            "wrong" => (StatusCode::UNPROCESSABLE_ENTITY, format!("no {run}")).into_response(),
            "large" => "x".repeat(100_000).into_response(),
            _ => (
                StatusCode::CREATED,
                headers,
                format!("payment {run} of {body}"),
            )
                .into_response(),
        }
    };
    (
        Router::new()
            .route("/pay", post(handler))
            .with_state(Arc::clone(&runs)),
        runs,
    )
}

#[tokio::test]
async fn the_first_response_is_replayed() {
    let (cluster, redlock) = locks().await;
    let (app, runs) = counting();
    let app = app.layer(RedlockLayer::new(redlock, by_user()).replay(MemoryStore::new(), DAY));

    let first = send(&app, pay("ann", "1", "5 EUR")).await;
    assert_eq!(
        (first.status, first.text(), first.is_replayed()),
        (201, "payment 1 of 5 EUR", false)
    );
    assert_eq!(first.header("set-cookie"), "s=1");
    for key in ["1", "\"1\""] {
        let again = send(&app, pay("ann", key, "5 EUR")).await;
        assert_eq!(
            (again.status, again.text(), again.is_replayed()),
            (201, "payment 1 of 5 EUR", true)
        );
        assert_eq!(again.header("location"), "/payments/1");
        assert_eq!(again.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(again.header("set-cookie"), "", "cookies are not recorded");
    }
    assert_eq!(
        send(&app, pay("ann", "2", "5 EUR")).await.body,
        "payment 2 of 5 EUR"
    );
    assert_eq!(
        send(&app, pay("bob", "1", "5 EUR")).await.body,
        "payment 3 of 5 EUR",
        "bob has his own key"
    );
    assert_eq!(runs.load(SeqCst), 3);
    all_free(&cluster).await;
}

#[tokio::test]
async fn another_payload_under_the_same_key_is_422() {
    let (_cluster, redlock) = locks().await;
    let (app, runs) = counting();
    let app = app.layer(RedlockLayer::new(redlock, by_user()).replay(MemoryStore::new(), DAY));
    assert_eq!(send(&app, pay("ann", "1", "5 EUR")).await.status, 201);
    let other = send(&app, pay("ann", "1", "500 EUR")).await;
    assert_eq!((other.status, runs.load(SeqCst)), (422, 1));
    assert_eq!(other.json()["type"], "urn:problem-type:redlock:key-reused");
    assert_eq!(other.reason(), Some(Reason::KeyReused));
}

#[tokio::test]
async fn a_duplicate_in_progress_is_409_or_waits() {
    let (_cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let (layer, store) = (RedlockLayer::new(redlock, by_user()), MemoryStore::new());
    let refusing = orders
        .route()
        .layer(layer.clone().replay(store.clone(), DAY));
    let waiting = orders.route().layer(layer.wait(SOON).replay(store, DAY));
    let submit = || {
        request(
            "POST",
            "/orders",
            &[("x-user-id", "ann"), ("idempotency-key", "1")],
            "",
        )
    };

    let first = start(&refusing, submit());
    orders.wait_entered(1).await;
    let second = send(&refusing, submit()).await;
    assert_eq!(second.status, 409);
    assert!(second.header("retry-after").parse::<u64>().unwrap() >= 1);
    let third = start(&waiting, submit());
    orders.unblock(1);
    assert_eq!(first.await.unwrap().status, 201);
    let third = within(SOON, third).await.unwrap();
    assert_eq!(
        (third.status, third.is_replayed(), orders.entered()),
        (201, true, 1)
    );
}

#[tokio::test]
async fn only_successes_are_recorded() {
    let (_cluster, redlock) = locks().await;
    let (app, runs) = counting();
    let app = app.layer(RedlockLayer::new(redlock, by_user()).replay(MemoryStore::new(), DAY));
    for (body, status) in [("fail", 502), ("later", 429), ("wrong", 422)] {
        let before = runs.load(SeqCst);
        for _ in 0..2 {
            assert_eq!(send(&app, pay("ann", body, body)).await.status, status);
        }
        assert_eq!(runs.load(SeqCst) - before, 2, "{body}");
    }
}

#[tokio::test]
async fn without_the_header_there_is_a_cool_down_in_place_of_a_record() {
    let (_cluster, redlock) = locks().await;
    let (app, runs) = counting();
    let layer = RedlockLayer::new(redlock, by_user()).dedupe_for(DAY.min(Duration::from_secs(30)));
    let app = app.layer(layer.replay(MemoryStore::new(), DAY));
    let plain = || request("POST", "/pay", &[("x-user-id", "bob")], "5 EUR");
    // A record replaces the cool-down, so the next payment runs.
    for (key, run) in [("1", 1), ("2", 2)] {
        assert_eq!(
            send(&app, pay("ann", key, "5 EUR")).await.body,
            format!("payment {run} of 5 EUR")
        );
    }
    assert_eq!(send(&app, plain()).await.status, 201);
    assert_eq!(
        (send(&app, plain()).await.status, runs.load(SeqCst)),
        (409, 3)
    );
}

#[tokio::test]
async fn a_large_response_is_not_recorded_and_its_request_not_run_again() {
    let (_cluster, redlock) = locks().await;
    let (app, runs) = counting();
    let app = app.layer(RedlockLayer::new(redlock, by_user()).replay(MemoryStore::new(), DAY));
    assert_eq!(
        send(&app, pay("ann", "1", "large")).await.body.len(),
        100_000
    );
    let again = send(&app, pay("ann", "1", "large")).await;
    assert_eq!((again.status, runs.load(SeqCst)), (409, 1));
    assert_eq!(again.reason(), Some(Reason::NotReplayable));
    assert_eq!(again.header("retry-after"), "", "a retry does not help");
}

#[tokio::test]
async fn bodies_of_unknown_length_and_incomplete_bodies() {
    let (_cluster, redlock) = locks().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let handler = {
        let runs = Arc::clone(&runs);
        move |kind: String| async move {
            let run = runs.fetch_add(1, SeqCst);
            let parts = if kind == "long" { 100 } else { 3 };
            let parts = (0..parts).map(move |part| match (kind.as_str(), part) {
                ("broken", 2) if run < 2 => Err(std::io::Error::other("on purpose")),
                _ => Ok(Bytes::from(vec![b'x'; 1000])),
            });
            Body::from_stream(stream::iter(parts.collect::<Vec<_>>()))
        }
    };
    let app = Router::new()
        .route("/pay", post(handler))
        .layer(RedlockLayer::new(redlock, by_user()).replay(MemoryStore::new(), DAY));
    for _ in 0..2 {
        let body = app
            .clone()
            .oneshot(pay("ann", "1", "broken"))
            .await
            .unwrap()
            .into_body();
        assert!(
            axum::body::to_bytes(body, usize::MAX).await.is_err(),
            "an incomplete response is not recorded"
        );
    }
    assert_eq!(send(&app, pay("ann", "1", "broken")).await.body.len(), 3000);
    assert!(send(&app, pay("ann", "1", "broken")).await.is_replayed());
    assert_eq!(
        send(&app, pay("ann", "2", "long")).await.body.len(),
        100_000
    );
    assert_eq!(send(&app, pay("ann", "2", "long")).await.status, 409);
    assert_eq!(runs.load(SeqCst), 4);
}

#[tokio::test]
async fn limits_and_recorded_headers_are_configurable() {
    let (_cluster, redlock) = locks().await;
    let (app, runs) = counting();
    let options = ReplayOptions::new(MemoryStore::new(), DAY)
        .max_request(10)
        .max_response(200_000)
        .cookies()
        .except([HeaderName::from_static("location")]);
    let app = app.layer(RedlockLayer::new(redlock, by_user()).replay_with(options));
    assert_eq!(
        send(&app, pay("ann", "1", "eleven bytes")).await.status,
        413
    );
    assert_eq!(runs.load(SeqCst), 0);
    assert_eq!(send(&app, pay("ann", "1", "large")).await.status, 200);
    assert_eq!(
        send(&app, pay("ann", "1", "large")).await.body.len(),
        100_000
    );
    assert_eq!(send(&app, pay("ann", "2", "5")).await.status, 201);
    let again = send(&app, pay("ann", "2", "5")).await;
    assert_eq!(
        (again.header("set-cookie"), again.header("location")),
        ("s=1", "")
    );
}

#[tokio::test]
async fn a_new_access_token_does_not_make_another_request() {
    let (_cluster, redlock) = locks().await;
    let (app, _) = counting();
    let by_submit = by_user().and(key::idempotency_key());
    let app = app.layer(RedlockLayer::new(redlock, by_submit).replay(MemoryStore::new(), DAY));
    let by = |token: &str| {
        request(
            "POST",
            "/pay",
            &[
                ("authorization", token),
                ("x-user-id", "ann"),
                ("idempotency-key", "1"),
            ],
            "5 EUR",
        )
    };
    assert_eq!(send(&app, by("Bearer old")).await.status, 201);
    assert!(send(&app, by("Bearer new")).await.is_replayed());
}

/// A store that always fails.
#[derive(Clone)]
struct Down;

impl ReplayStore for Down {
    async fn begin(
        &self,
        _: &str,
        _: redlock::FencingToken,
        _: Duration,
    ) -> Result<Begun, StoreError> {
        Err(StoreError::new("on purpose"))
    }

    async fn finish(
        &self,
        _: &str,
        _: redlock::FencingToken,
        _: Vec<u8>,
        _: Duration,
    ) -> Result<bool, StoreError> {
        Err(StoreError::new("on purpose"))
    }
}

#[tokio::test]
async fn without_its_store_a_replay_fails_closed_or_open() {
    let (cluster, redlock) = locks().await;
    let (app, runs) = counting();
    let layer = RedlockLayer::new(redlock, by_user());
    let failing_closed = layer.clone().replay(Down, DAY);
    let answer = send(&app.clone().layer(failing_closed), pay("ann", "1", "5 EUR")).await;
    assert_eq!((answer.status, runs.load(SeqCst)), (503, 0));
    assert_eq!(
        answer.json()["type"],
        "urn:problem-type:redlock:store-unavailable"
    );
    assert_eq!(
        send(
            &app.layer(layer.fail_open().replay(Down, DAY)),
            pay("ann", "1", "5 EUR")
        )
        .await
        .status,
        201
    );
    all_free(&cluster).await;
}

#[tokio::test]
async fn the_redis_store_serves_two_instances() {
    let cluster = tests::Cluster::start(3).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let mut apps = Vec::new();
    for _ in 0..2 {
        let runs = Arc::clone(&runs);
        let redlock = redlock::Redlock::connect(cluster.urls()).await.unwrap();
        let store = RedisStore::new(&cluster.node(0).url()).unwrap();
        let handler =
            move |_: HeldLock| async move { format!("run {}", runs.fetch_add(1, SeqCst) + 1) };
        let layer = RedlockLayer::new(redlock, by_user())
            .wait(SOON)
            .replay(store, DAY);
        apps.push(Router::new().route("/pay", post(handler)).layer(layer));
    }
    let submits: Vec<_> = (0..10)
        .map(|i| start(&apps[i % 2], pay("ann", "1", "5 EUR")))
        .collect();
    for submit in submits {
        assert_eq!(submit.await.unwrap().body, "run 1");
    }
    assert_eq!(runs.load(SeqCst), 1);
}

/// The window belongs to the lock, which comes before the record.
#[tokio::test]
async fn a_repetition_within_at_least_is_refused_and_replayed_after_it() {
    let (_cluster, redlock) = locks().await;
    let (app, runs) = counting();
    let layer = RedlockLayer::new(redlock, by_user()).at_least(Duration::from_secs(2));
    let app = app.layer(layer.wait(SOON).replay(MemoryStore::new(), DAY));
    assert_eq!(send(&app, pay("ann", "1", "5 EUR")).await.status, 201);
    let within = send(&app, pay("ann", "1", "5 EUR")).await;
    assert_eq!(within.reason(), Some(Reason::Answered), "{}", within.text());
    assert!(matches!(within.retry_after(), Some(1 | 2)), "{within:?}");
    let repeated = tests::eventually(SOON, async || {
        let again = send(&app, pay("ann", "1", "5 EUR")).await;
        again.status == 201 && again.is_replayed()
    });
    repeated.await;
    assert_eq!(runs.load(SeqCst), 1);
}
