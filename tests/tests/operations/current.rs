//! Code below a lock: which lock it runs under, and code that refuses to run without one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::{Router, routing::post};
use http::{Request, StatusCode};
use redlock::{Redlock, memory};
use redlock_tower::{HeldLock, LockLayer, RedlockLayer, key};
use tower::{Layer as _, ServiceExt as _, service_fn};

async fn client() -> Redlock {
    let nodes = memory::Nodes::new(3).nodes();
    let client = Redlock::builder().nodes(nodes).namespace("shop:");
    client.connect().await.expect("nodes in memory")
}

fn panic_of(body: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(body)).expect_err("a panic");
    let text = panic.downcast_ref::<String>();
    text.expect("a text").clone()
}

#[tokio::test]
async fn the_lock_is_found_by_the_key_that_was_given() {
    let redlock = client().await;
    let outer = redlock.lock("outer");
    let found = outer.run(async |held| {
        let inner = redlock.lock("inner").run(async |inner| {
            assert_eq!(redlock::assert_held("inner").token(), inner.token());
            assert_eq!(redlock::assert_held("outer").token(), held.token());
            redlock::current().expect("a lock").key().to_owned()
        });
        inner.await
    });
    assert_eq!(found.await.expect("two locks").expect("one"), "shop:inner");
    assert!(redlock::current().is_none());
}

#[tokio::test]
async fn code_that_needs_a_lock_refuses_to_run_without_it() {
    let redlock = client().await;
    let bare = panic_of(|| drop(redlock::assert_held("invoice:42")));
    assert!(bare.contains("`invoice:42`"), "{bare}");
    assert!(bare.contains("under no lock"), "{bare}");
    let body = redlock.lock("invoice:43").run(async |_| {
        let other = panic_of(|| drop(redlock::assert_held("invoice:42")));
        assert!(other.contains("the lock of `invoice:43` only"), "{other}");
        // A spawned task runs beside the lock.
        let spawned = tokio::spawn(async { redlock::assert_held("invoice:43") });
        assert!(spawned.await.expect_err("no lock there").is_panic());
    });
    body.await.expect("a lock");
}

#[tokio::test]
async fn a_guard_alone_does_not_set_the_current_lock() {
    let guard = client().await.lock("invoice:42").await.expect("free");
    assert!(redlock::current().is_none());
    let scoped = guard.held().scope(async { redlock::current() }).await;
    assert_eq!(scoped.expect("a lock").token(), guard.token());
}

#[tokio::test]
async fn a_handler_and_the_functions_it_calls_run_under_the_lock_of_its_layer() {
    let redlock = client().await;
    async fn charge() -> u64 {
        redlock::current().expect("a lock").token().get()
    }
    let handler = async |lock: HeldLock| {
        assert_eq!(charge().await, lock.token().get());
        StatusCode::OK
    };
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"));
    let app = Router::new().route("/", post(handler)).layer(layer);
    let request = Request::post("/").header("x-user-id", "7");
    let request = request.body(axum::body::Body::empty()).expect("a request");
    let response = app.oneshot(request).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_service_of_a_lock_layer_has_the_token() {
    let redlock = client().await;
    let service = service_fn(async |account: &'static str| {
        let lock = redlock::assert_held(account);
        Ok::<u64, std::convert::Infallible>(lock.token().get())
    });
    let layer = LockLayer::new(redlock, |account: &&'static str| {
        Some((*account).to_owned())
    });
    let first = layer.layer(service).oneshot("ada").await.expect("a lock");
    let second = layer.layer(service).oneshot("ada").await.expect("a lock");
    assert!(second > first, "{second} after {first}");
}

/// The kind of the lock is not looked at.
#[tokio::test]
async fn a_permit_and_both_sides_count_as_a_lock_of_their_key() {
    let redlock = client().await;
    let (catalog, exports) = (redlock.rwlock("catalog"), redlock.semaphore("catalog", 3));
    for request in [catalog.read(), catalog.write(), exports.acquire()] {
        let found = request.run(async |held| {
            let found = redlock::assert_held("catalog");
            (found.key() == held.key()) && found.token() == held.token()
        });
        assert!(found.await.expect("three nodes"));
    }
}
