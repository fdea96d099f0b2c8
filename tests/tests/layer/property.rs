//! Header values of any bytes and any length: no panic, and no key shared by two users.

use axum::body::Body;
use http::{HeaderValue, Request, Response};
use proptest::{prelude::*, test_runner::TestRunner};
use redlock::{Redlock, memory::Nodes};
use redlock_tower::{KeyExtractor, RedlockLayer, RedlockService, key};
use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
};
use tests::web::SOON;
use tests::within;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

/// Any header value, often with characters and words that have a meaning in keys.
fn value() -> impl Strategy<Value = HeaderValue> {
    let byte = prop_oneof![
        Just(b':'),
        Just(b'%'),
        Just(b'{'),
        Just(b'}'),
        Just(b'='),
        Just(b';'),
        Just(b'"'),
        Just(b'\\'),
        Just(b'\t'),
        0x20..=0x7e_u8,
        0x80..=0xff_u8,
    ];
    let words = prop_oneof![
        Just(b"fence".to_vec()),
        Just(b":fence".to_vec()),
        Just(b"waiters".to_vec()),
        Just(b"sha256:".to_vec()),
        Just(b"x-user-id=".to_vec()),
        Just(b"%3A".to_vec()),
        Just("é".as_bytes().to_vec()),
    ];
    let short = prop::collection::vec(
        prop_oneof![4 => byte.prop_map(|byte| vec![byte]), 1 => words],
        0..12,
    )
    .prop_map(|parts| parts.concat());
    let long = (0..3_usize, 150..9000_usize).prop_map(|(last, len)| {
        let mut value = vec![b'a'; len];
        value.push(b'0' + u8::try_from(last).unwrap());
        value
    });
    prop_oneof![6 => short, 1 => long].prop_filter_map("no header value", |bytes| {
        HeaderValue::from_bytes(&bytes).ok()
    })
}

type Seen = Arc<Mutex<Vec<String>>>;
type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// A service that stores the key that is locked while it runs.
async fn noting<K: KeyExtractor>(
    key: K,
) -> (
    RedlockService<
        impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future = Answer>
        + Clone,
        K,
    >,
    Seen,
) {
    let cluster = Nodes::new(1);
    let redlock = Redlock::connect(cluster.nodes()).await.unwrap();
    let seen = Seen::default();
    let note = {
        let seen = Arc::clone(&seen);
        service_fn(move |_: Request<Body>| {
            let key = tests::web::held(&cluster)
                .into_iter()
                .next()
                .unwrap_or_default();
            seen.lock().unwrap().push(key);
            Box::pin(async { Ok(Response::new(Body::empty())) }) as Answer
        })
    };
    (RedlockLayer::new(redlock, key).no_wait().layer(note), seen)
}

fn post(tenant: &HeaderValue, user: &HeaderValue) -> Request<Body> {
    Request::post("/orders")
        .header("x-tenant", tenant)
        .header("x-user-id", user)
        .body(Body::empty())
        .unwrap()
}

#[test]
fn two_users_never_share_a_key_and_are_never_rejected() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (service, seen) = runtime.block_on(noting(
        key::header("x-tenant").and(key::header("x-user-id")),
    ));
    TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..Default::default()
    })
    .run(
        &(value(), value(), value(), value()),
        |(tenant_a, user_a, tenant_b, user_b)| {
            seen.lock().unwrap().clear();
            for (tenant, user) in [(&tenant_a, &user_a), (&tenant_b, &user_b)] {
                let answer = runtime
                    .block_on(async {
                        within(SOON, service.clone().oneshot(post(tenant, user))).await
                    })
                    .unwrap();
                prop_assert_eq!(answer.status(), 200);
            }
            let keys = seen.lock().unwrap().clone();
            for (key, values) in [
                (&keys[0], [&tenant_a, &user_a]),
                (&keys[1], [&tenant_b, &user_b]),
            ] {
                prop_assert_eq!(key.is_empty(), values.iter().any(|value| value.is_empty()));
                prop_assert!(key.len() < 400);
            }
            if !keys[0].is_empty() && !keys[1].is_empty() {
                let same = tenant_a == tenant_b && user_a == user_b;
                prop_assert_eq!(keys[0] == keys[1], same, "{} {}", &keys[0], &keys[1]);
            }
            Ok(())
        },
    )
    .unwrap();
}

#[test]
fn no_header_makes_an_extractor_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (cookies, _) = runtime.block_on(noting(key::cookie("sid")));
    let (idempotent, _) = runtime.block_on(noting(key::idempotency_key()));
    TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..Default::default()
    })
    .run(&(value(), "[ -~]{0,80}"), |(value, query)| {
        let cookie = Request::post("/")
            .header("cookie", &value)
            .body(Body::empty())
            .unwrap();
        let _ = runtime
            .block_on(async { within(SOON, cookies.clone().oneshot(cookie)).await })
            .unwrap();
        let key = Request::post("/")
            .header("idempotency-key", &value)
            .body(Body::empty())
            .unwrap();
        let _ = runtime
            .block_on(async { within(SOON, idempotent.clone().oneshot(key)).await })
            .unwrap();
        if let Ok(request) = Request::post(format!("/?{query}")).body(()) {
            let parts = request.into_parts().0;
            let _ = runtime.block_on(key::query("a").extract(&parts));
        }
        Ok(())
    })
    .unwrap();
}
