//! What draft-ietf-httpapi-idempotency-key-header-07 requires of servers. `redlock-tower/docs/idempotency.md` names the
//! test for each requirement.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Router, body::Body, routing::post};
use http::{Request, StatusCode};
use redlock_tower::{
    Reason, RedlockLayer,
    key::{self, KeyExtractor as _},
    replay::{MemoryStore, ReplayOptions},
};
use tests::eventually;
use tests::web::{Answer, DAY, Orders, SOON, by_user, redlock, request, send, start};

type Options = ReplayOptions<MemoryStore>;

fn conservative() -> Options {
    ReplayOptions::new(MemoryStore::new(), DAY)
}

fn pay(user: &str, keys: &[&str], body: &str) -> Request<Body> {
    let mut headers = vec![("x-user-id", user)];
    headers.extend(keys.iter().map(|key| ("idempotency-key", *key)));
    request("POST", "/payments", &headers, body)
}

/// Payments whose handler responds with the status in the body, and counts its runs.
struct Payments {
    app: Router,
    runs: Arc<AtomicUsize>,
}

impl Payments {
    async fn new(options: Options) -> Self {
        let runs = Arc::<AtomicUsize>::default();
        let handler = {
            let runs = Arc::clone(&runs);
            async move |body: String| {
                let run = runs.fetch_add(1, SeqCst);
                let status = body
                    .parse()
                    .ok()
                    .and_then(|code| StatusCode::from_u16(code).ok());
                (status.unwrap_or(StatusCode::CREATED), format!("run {run}"))
            }
        };
        let layer = RedlockLayer::new(redlock().await, by_user().and(key::idempotency_key()))
            .required()
            .problem_types("https://example.com/idempotency#")
            .replay_with(options);
        let app = Router::new().route("/payments", post(handler)).layer(layer);
        Self { app, runs }
    }

    async fn send(&self, keys: &[&str], body: &str) -> Answer {
        send(&self.app, pay("ann", keys, body)).await
    }

    fn runs(&self) -> usize {
        self.runs.load(SeqCst)
    }
}

fn link_of(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), "application/problem+json");
    answer.json()["type"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_is_a_string() {
    let payments = Payments::new(conservative()).await;
    let first = payments.send(&["\"8e03978e-40d5-43e8\""], "").await;
    assert_eq!((first.status, first.text()), (201, "run 0"));
    // Many clients leave the quotes out.
    let bare = payments.send(&["8e03978e-40d5-43e8"], "").await;
    assert_eq!((bare.is_replayed(), bare.text()), (true, "run 0"));
    for malformed in ["\"8e03978e", "\"a\" \"b\"", "\"a\\b\"", "\"\"", ""] {
        let answer = payments.send(&[malformed], "").await;
        assert_eq!(answer.reason(), Some(Reason::InvalidKey), "{malformed}");
    }
    assert_eq!(payments.runs(), 1);
}

#[tokio::test]
async fn more_than_one_key_is_400() {
    let payments = Payments::new(conservative()).await;
    let answer = payments.send(&["a", "b"], "").await;
    assert_eq!((answer.status, payments.runs()), (400, 0));
}

#[tokio::test]
async fn another_payload_is_422_with_a_link() {
    let payments = Payments::new(conservative()).await;
    assert_eq!(payments.send(&["a"], "201").await.status, 201);
    let answer = payments.send(&["a"], "202").await;
    assert_eq!((answer.status, payments.runs()), (422, 1));
    assert_eq!(
        link_of(&answer),
        "https://example.com/idempotency#key-reused"
    );
    // The same bytes mean something else under another content type (RFC 9110, section 8).
    let typed = async |kind: &'static str| {
        let mut request = pay("ann", &["b"], "201");
        let kind = kind.parse().unwrap();
        request.headers_mut().insert("content-type", kind);
        send(&payments.app, request).await.status
    };
    assert_eq!(typed("text/plain; charset=utf-8").await, 201);
    assert_eq!(typed("Text/Plain;charset=\"UTF-8\"").await, 201);
    assert_eq!(typed("application/json").await, 422);
    assert_eq!(payments.runs(), 2);
}

#[tokio::test]
async fn a_key_expires() {
    let ttl = Duration::from_millis(50);
    let payments = Payments::new(ReplayOptions::new(MemoryStore::new(), ttl)).await;
    assert_eq!(payments.send(&["a"], "").await.text(), "run 0");
    eventually(SOON, async || {
        payments.send(&["a"], "").await.text() == "run 1"
    })
    .await;
}

#[tokio::test]
async fn the_first_request_is_processed_and_its_repetition_gets_the_same_response() {
    let payments = Payments::new(conservative()).await;
    let first = payments.send(&["a"], "202").await;
    assert_eq!((first.status, first.is_replayed()), (202, false));
    let repeated = payments.send(&["a"], "202").await;
    assert_eq!((repeated.status, repeated.is_replayed()), (202, true));
    assert_eq!((repeated.body, payments.runs()), (first.body, 1));
}

#[tokio::test]
async fn an_error_is_repeated_with_the_preset_and_tried_again_without_it() {
    for (options, repeats) in [
        (ReplayOptions::stripe(MemoryStore::new()), true),
        (conservative(), false),
    ] {
        let payments = Payments::new(options).await;
        for status in [402, 404, 409, 500, 503] {
            let body = status.to_string();
            let first = payments.send(&[&body], &body).await;
            assert_eq!((first.status, first.is_replayed()), (status, false));
            let repeated = payments.send(&[&body], &body).await;
            assert_eq!((repeated.status, repeated.is_replayed()), (status, repeats));
        }
    }
}

#[tokio::test]
async fn a_request_that_fails_validation_has_no_record_with_the_preset() {
    let payments = Payments::new(ReplayOptions::stripe(MemoryStore::new())).await;
    for status in [400, 401, 405, 406, 413, 415, 422, 408, 425, 429] {
        let key = status.to_string();
        assert_eq!(payments.send(&[&key], &key).await.status, status);
        let corrected = payments.send(&[&key], "201").await;
        assert_eq!((corrected.status, corrected.is_replayed()), (201, false));
    }
}

#[tokio::test]
async fn the_preset_accepts_keys_of_up_to_255_bytes() {
    let payments = Payments::new(ReplayOptions::stripe(MemoryStore::new())).await;
    assert_eq!(payments.send(&[&"k".repeat(255)], "").await.status, 201);
    let answer = payments.send(&[&"k".repeat(256)], "").await;
    assert_eq!(
        (answer.reason(), payments.runs()),
        (Some(Reason::InvalidKey), 1)
    );
    assert!(answer.text().contains("255"), "{}", answer.text());

    let payments = Payments::new(conservative()).await;
    assert_eq!(payments.send(&[&"k".repeat(256)], "").await.status, 201);
    let payments = Payments::new(conservative().max_key(8)).await;
    assert_eq!(payments.send(&["123456789"], "").await.status, 400);
}

#[tokio::test]
async fn which_responses_are_recorded_is_configurable() {
    let options = conservative()
        .record_if(|head: &http::response::Parts| head.status == StatusCode::NOT_FOUND);
    let payments = Payments::new(options).await;
    for (status, recorded) in [(404, true), (201, false), (500, false), (429, false)] {
        let key = status.to_string();
        assert_eq!(payments.send(&[&key], &key).await.status, status);
        let repeated = payments.send(&[&key], &key).await;
        assert_eq!(
            (repeated.status, repeated.is_replayed()),
            (status, recorded)
        );
    }
}

#[tokio::test]
async fn a_concurrent_request_is_409_with_a_link() {
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock().await, by_user())
        .problem_types("https://example.com/idempotency#")
        .replay_with(conservative());
    let app = orders.route().layer(layer);
    let order = || {
        let headers = [("x-user-id", "ann"), ("idempotency-key", "\"a\"")];
        request("POST", "/orders", &headers, "")
    };
    let first = start(&app, order());
    orders.wait_entered(1).await;
    let answer = send(&app, order()).await;
    assert_eq!(answer.status, 409);
    assert_eq!(link_of(&answer), "https://example.com/idempotency#busy");
    orders.unblock(1);
    assert_eq!(first.await.unwrap().status, 201);
    assert_eq!(orders.entered(), 1);
}

#[tokio::test]
async fn a_missing_key_is_400_with_a_link() {
    let payments = Payments::new(conservative()).await;
    let answer = payments.send(&[], "").await;
    assert_eq!((answer.status, payments.runs()), (400, 0));
    assert_eq!(link_of(&answer), "https://example.com/idempotency#no-key");
}

#[tokio::test]
async fn a_mistake_that_is_repeated_fails_again() {
    let payments = Payments::new(conservative()).await;
    assert_eq!(payments.send(&["a"], "201").await.status, 201);
    for _ in 0..2 {
        assert_eq!(payments.send(&["a"], "202").await.status, 422);
        assert_eq!(payments.send(&[], "").await.status, 400);
    }
}

#[tokio::test]
async fn a_key_belongs_to_its_client() {
    let payments = Payments::new(conservative()).await;
    let of = async |user: &str| send(&payments.app, pay(user, &["a"], "")).await;
    assert_eq!(of("ann").await.text(), "run 0");
    let bob = of("bob").await;
    assert_eq!((bob.text(), bob.is_replayed()), ("run 1", false));
    assert_eq!(of("ann").await.text(), "run 0");
}

/// The table and the tests name each other.
#[test]
fn the_table_names_every_test_once() {
    let docs = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../redlock-tower/docs/idempotency.md"
    );
    let docs = std::fs::read_to_string(docs).unwrap();
    let tests = include_str!("standard.rs")
        .split("#[tokio::test]\nasync fn ")
        .skip(1);
    for test in tests.filter_map(|test| test.split_once('(')) {
        assert!(docs.contains(&format!("`{}`", test.0)), "{}", test.0);
    }
    for row in docs
        .lines()
        .filter(|line| line.starts_with("| 2.") || line.starts_with("| 5"))
    {
        let test = row.rsplit('`').nth(1).unwrap_or_default();
        let exists = include_str!("standard.rs").contains(&format!("async fn {test}("));
        assert!(exists || row.contains("docs"), "{row}");
    }
}
