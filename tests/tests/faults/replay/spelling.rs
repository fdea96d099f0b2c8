//! All spellings of a value share one lock.

use axum::{Router, body::Body, routing::post};
use http::Request;
use redlock_tower::{
    KeyExtractor, RedlockLayer,
    key::{self, Key},
};
use std::sync::Arc;
use tests::web::{Orders, redlock};
use tower::ServiceExt as _;

/// The statuses of `others` while the key of `held` is held.
async fn against<K: KeyExtractor + Clone>(
    key: K,
    held: Request<Body>,
    others: Vec<Request<Body>>,
) -> Vec<u16> {
    let redlock = redlock().await;
    let (parts, _) = held.into_parts();
    let first: Option<Key> = key.extract(&parts).await.unwrap();
    let fixed = {
        let first = first.unwrap();
        move |_: &http::request::Parts| Some(first.clone())
    };
    let orders = Orders::blocked();
    let holding = {
        let orders = Arc::clone(&orders);
        Router::new()
            .route("/{id}", post(async move || orders.run().await))
            .layer(RedlockLayer::new(redlock.clone(), fixed).namespace("same"))
    };
    let request = Request::post("/0").body(Body::empty()).unwrap();
    let holder = tokio::spawn(holding.oneshot(request));
    orders.wait_entered(1).await;
    let layer = RedlockLayer::new(redlock, key).namespace("same").no_wait();
    let app = Router::new().route("/{id}", post(async || "")).layer(layer);
    let mut statuses = Vec::new();
    for request in others {
        statuses.push(
            app.clone()
                .oneshot(request)
                .await
                .unwrap()
                .status()
                .as_u16(),
        );
    }
    orders.unblock(1);
    holder.await.unwrap().unwrap();
    statuses
}

#[tokio::test]
async fn f47_all_spellings_of_a_session_cookie_share_a_lock() {
    let with = |cookie: &str| {
        let request = Request::post("/7").header("cookie", cookie);
        request.body(Body::empty()).unwrap()
    };
    let spellings = [
        "sid=abc",
        "sid= abc",
        "sid=%61bc",
        "sid=\"abc\"",
        "a=b;sid=abc ;c=d",
        "sid =abc",
    ];
    let others = spellings.iter().map(|cookie| with(cookie)).collect();
    let statuses = against(key::cookie("sid"), with("sid=abc"), others).await;
    assert_eq!(statuses, [409; 6]);
    let another = vec![with("sid=abd"), with("SID=abc")];
    let statuses = against(key::cookie("sid"), with("sid=abc"), another).await;
    assert_eq!(statuses, [200; 2]);
}

#[tokio::test]
async fn f47_all_spellings_of_a_number_share_a_lock() {
    let by = |number: &str| {
        let request = Request::post(format!("/{number}?id={number}")).header("x-id", number);
        request.body(Body::empty()).unwrap()
    };
    let spellings = || Vec::from(["7", "07", "+7", "007"].map(by));
    let path = app_path(spellings()).await;
    assert_eq!(path, [409; 4]);
    let header = against(key::header("x-id").parsed::<u64>(), by("7"), spellings()).await;
    assert_eq!(header, [409; 4]);
    let others = vec![by("8"), by("seven"), by("-7")];
    let header = against(key::header("x-id").parsed::<u64>(), by("7"), others).await;
    assert_eq!(header, [200, 400, 400]);
}

/// Path parameters exist only inside of a router.
async fn app_path(requests: Vec<Request<Body>>) -> Vec<u16> {
    let redlock = redlock().await;
    let held = redlock.lock("same:id=7").await.unwrap();
    let layer = RedlockLayer::new(redlock, key::path("id").parsed::<u64>());
    let layer = layer.namespace("same").no_wait();
    let app = Router::new().route("/{id}", post(async || "")).layer(layer);
    let mut statuses = Vec::new();
    for request in requests {
        statuses.push(
            app.clone()
                .oneshot(request)
                .await
                .unwrap()
                .status()
                .as_u16(),
        );
    }
    held.release().await.unwrap();
    statuses
}

/// Other cookies in the header do not hide the session.
#[tokio::test]
async fn f47_a_cookie_beside_invalid_text_is_locked() {
    let with = |cookie: &[u8]| {
        let request = Request::post("/7").header("cookie", cookie);
        request.body(Body::empty()).unwrap()
    };
    let others = [&b"sid=abc; name=Zo\xeb"[..], b"name=\xff; sid=abc"];
    let others = others.iter().map(|cookie| with(cookie)).collect();
    let statuses = against(key::cookie("sid"), with(b"sid=abc"), others).await;
    assert_eq!(statuses, [409; 2]);
}

/// A handler reads invalid UTF-8 as replacement characters.
#[tokio::test]
async fn f47_query_values_that_a_handler_reads_as_one_share_a_lock() {
    let with = |query: &str| {
        let request = Request::post(format!("/7?{query}"));
        request.body(Body::empty()).unwrap()
    };
    let others = ["cart=a%FF", "cart=a%FE", "%63art=a%C3", "cart=a%EF%BF%BD"];
    let others = others.iter().map(|query| with(query)).collect();
    let statuses = against(key::query("cart"), with("cart=a%FF"), others).await;
    assert_eq!(statuses, [409; 4]);
}
