//! The held lock in the handler and in a background job.

use axum::{
    Router,
    routing::{get, post},
};
use http::StatusCode;
use redlock_tower::{HeldLock, RedlockLayer, key};
use std::{sync::Arc, time::Duration};
use tests::eventually;
use tests::web::{Orders, SOON, all_free, held, locks, order, request, send};

#[tokio::test]
async fn a_handler_sees_its_lock_but_not_the_key() {
    let (_cluster, redlock) = locks().await;
    let handler = async |lock: HeldLock| {
        assert!(!lock.is_lost());
        assert!(
            lock.remaining() > Duration::from_secs(1),
            "{:?}",
            lock.remaining()
        );
        format!("{} {lock:?}", lock.token())
    };
    let app = Router::new()
        .route("/orders", post(handler))
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")));
    let (first, second) = (
        send(&app, order("ann")).await,
        send(&app, order("ann")).await,
    );
    let token = |body: &str| body.split(' ').next().unwrap().parse::<u64>().unwrap();
    assert!(token(second.text()) > token(first.text()));
    assert!(!first.text().contains("ann"), "{}", first.text());
}

#[tokio::test]
async fn a_missing_layer_is_a_500_with_a_hint() {
    let app = Router::<()>::new().route("/orders", post(async |_: HeldLock| ()));
    let answer = send(&app, order("ann")).await;
    assert_eq!(answer.status, 500);
    assert!(
        answer.text().contains("forget to add the layer"),
        "{}",
        answer.text()
    );
    assert!(answer.text().contains("RedlockLayer"), "{}", answer.text());
}

#[tokio::test]
async fn an_optional_lock_is_none_without_a_layer() {
    let handler = async |lock: Option<HeldLock>| if lock.is_some() { "locked" } else { "passed" };
    let app = Router::<()>::new().route("/orders", post(handler));
    assert_eq!(send(&app, order("ann")).await.body, "passed");
}

#[tokio::test]
async fn an_unlocked_request_has_no_held_lock() {
    let (_cluster, redlock) = locks().await;
    let needs = async |_: HeldLock| "locked";
    let may = async |lock: Option<HeldLock>| if lock.is_some() { "locked" } else { "passed" };
    let app = Router::new()
        .route("/needs", post(needs).get(needs))
        .route("/may", post(may).get(may))
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")));
    for (method, headers, why) in [
        ("POST", &[][..], "has no key"),
        ("GET", &[("x-user-id", "ann")][..], "method"),
    ] {
        let answer = send(&app, request(method, "/needs", headers, "")).await;
        assert_eq!(answer.status, 500);
        assert!(answer.text().contains(why), "{}", answer.text());
        assert!(!answer.text().contains("forget"), "{}", answer.text());
        assert_eq!(
            send(&app, request(method, "/may", headers, "")).await.body,
            "passed"
        );
    }
    assert_eq!(
        send(&app, request("POST", "/may", &[("x-user-id", "ann")], ""))
            .await
            .body,
        "locked"
    );
}

#[tokio::test]
async fn a_background_job_holds_the_lock_until_it_ends() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let handler = {
        let orders = Arc::clone(&orders);
        move |lock: HeldLock| async move {
            let copy = lock.clone();
            let guard = lock.into_guard().unwrap();
            assert!(copy.into_guard().is_none(), "only once");
            tokio::spawn(async move { guard.run(async { orders.run().await }).await });
            StatusCode::ACCEPTED
        }
    };
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .ttl(Duration::from_millis(300));
    let app = Router::new()
        .route("/orders", post(handler))
        .layer(layer.dedupe_for(Duration::from_secs(30)));

    assert_eq!(send(&app, order("ann")).await.status, 202);
    orders.wait_entered(1).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(
        send(&app, order("ann")).await.status,
        409,
        "renewed for the job"
    );
    orders.unblock(1);
    eventually(SOON, async || orders.finished() == 1).await;
    all_free(&cluster).await;
}

#[tokio::test]
async fn a_short_job_does_not_cancel_the_handler_that_started_it() {
    let (cluster, redlock) = locks().await;
    let handler = async |lock: HeldLock| {
        lock.into_guard().unwrap().release().await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        StatusCode::ACCEPTED
    };
    let app = Router::new()
        .route("/orders", post(handler))
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")));
    assert_eq!(send(&app, order("ann")).await.status, 202);
    assert_eq!(held(&cluster), [""; 0]);
}

#[tokio::test]
async fn a_stored_held_lock_does_not_keep_the_key_locked() {
    let (cluster, redlock) = locks().await;
    let stored = Arc::new(std::sync::Mutex::new(None));
    let handler = {
        let stored = Arc::clone(&stored);
        move |lock: HeldLock| async move {
            *stored.lock().unwrap() = Some(lock);
        }
    };
    let app = Router::new()
        .route("/orders", post(handler))
        .route("/", get(async || ()))
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")));
    assert_eq!(send(&app, order("ann")).await.status, 200);
    assert_eq!(held(&cluster), [""; 0]);
    let lock: HeldLock = stored.lock().unwrap().take().unwrap();
    assert!(lock.into_guard().is_none(), "the request is over");
}
