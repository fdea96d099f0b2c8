//! The held lock in the handler, and on its way into a background job.

use super::support::{SOON, Shop, all_free, held, locks, order, request, send};
use axum::{
    Router,
    routing::{get, post},
};
use http::StatusCode;
use redlock_tower::{HeldLock, RedlockLayer, key};
use std::{sync::Arc, time::Duration};
use tests::eventually;

#[tokio::test]
async fn a_handler_sees_its_lock_and_not_its_key() {
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
    assert!(token(&second.body) > token(&first.body));
    assert!(!first.body.contains("ann"), "{}", first.body);
}

#[tokio::test]
async fn a_forgotten_layer_is_told() {
    let app = Router::<()>::new().route("/orders", post(async |_: HeldLock| ()));
    let answer = send(&app, order("ann")).await;
    assert_eq!(answer.status, 500);
    assert!(
        answer.body.contains("forget to add the layer"),
        "{}",
        answer.body
    );
    assert!(answer.body.contains("RedlockLayer"), "{}", answer.body);
}

#[tokio::test]
async fn where_a_lock_is_optional_a_route_without_a_layer_has_none() {
    let handler = async |lock: Option<HeldLock>| if lock.is_some() { "locked" } else { "passed" };
    let app = Router::<()>::new().route("/orders", post(handler));
    assert_eq!(send(&app, order("ann")).await.body, "passed");
}

#[tokio::test]
async fn a_request_that_passed_has_none() {
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
        assert!(answer.body.contains(why), "{}", answer.body);
        assert!(!answer.body.contains("forget"), "{}", answer.body);
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
async fn a_job_takes_the_lock_along_and_releases_it_when_it_ends() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let handler = {
        let shop = Arc::clone(&shop);
        move |lock: HeldLock| async move {
            let copy = lock.clone();
            let guard = lock.into_guard().unwrap();
            assert!(copy.into_guard().is_none(), "only once");
            tokio::spawn(async move { guard.run(async { shop.visit().await }).await });
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
    shop.wait_entered(1).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(
        send(&app, order("ann")).await.status,
        409,
        "kept alive for the job"
    );
    shop.open(1);
    eventually(SOON, async || shop.finished() == 1).await;
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
async fn a_view_that_is_kept_does_not_keep_the_lock() {
    let (cluster, redlock) = locks().await;
    let kept = Arc::new(std::sync::Mutex::new(None));
    let handler = {
        let kept = Arc::clone(&kept);
        move |lock: HeldLock| async move {
            *kept.lock().unwrap() = Some(lock);
        }
    };
    let app = Router::new()
        .route("/orders", post(handler))
        .route("/", get(async || ()))
        .layer(RedlockLayer::new(redlock, key::header("x-user-id")));
    assert_eq!(send(&app, order("ann")).await.status, 200);
    assert_eq!(held(&cluster), [""; 0]);
    let view: HeldLock = kept.lock().unwrap().take().unwrap();
    assert!(view.into_guard().is_none(), "the request is over");
}
