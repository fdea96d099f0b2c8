//! While the ttl is not over, a body ends before its key is free: in `run`, in the layers and in the attribute.

use std::{
    convert::Infallible,
    future::{IntoFuture as _, pending, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use redlock::{Redlock, redlock};
use redlock_tower::{LockLayer, RedlockLayer, key};
use tests::{Cluster, Logs, eventually, within};
use tokio::runtime::Handle;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tracing::level_filters::LevelFilter;

use super::{BOUND, Owned, client};

const MAX_HOLD: Duration = Duration::from_millis(200);
/// Longer than any body here takes to stop.
const TTL: Duration = Duration::from_secs(20);
const STOPS: Duration = Duration::from_millis(600);

/// Waits for the lock in another client and in this one; neither gets it before the body is dropped.
async fn nobody_before(cluster: &Cluster, here: &Redlock, key: &str, gone: &Arc<AtomicBool>) {
    eventually(BOUND, async || cluster.locked_on(key).await.len() == 3).await;
    let there = client(cluster).await;
    let waiters = [here.clone(), there].map(|redlock| {
        let (key, gone) = (key.to_owned(), Arc::clone(gone));
        tokio::spawn(async move {
            let guard = redlock.lock(key).wait(BOUND).await.unwrap();
            let was_gone = gone.load(SeqCst);
            guard.release().await.unwrap();
            was_gone
        })
    });
    for waiter in waiters {
        assert!(
            within(BOUND, waiter).await.unwrap(),
            "the lock is another's beside a body that has not ended"
        );
    }
}

fn owned() -> (Owned, Arc<AtomicBool>) {
    let gone = Arc::new(AtomicBool::new(false));
    let owned = Owned {
        takes: STOPS,
        gone: Arc::clone(&gone),
    };
    (owned, gone)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f14_run() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let (owned, gone) = owned();
    let request = redlock.lock("body").ttl(TTL).max_hold(MAX_HOLD);
    let body = tokio::spawn(request.run(async move |_| {
        let _owned = owned;
        pending::<Infallible>().await
    }));
    nobody_before(&cluster, &redlock, "body", &gone).await;
    assert!(within(BOUND, body).await.unwrap().unwrap_err().is_lost());
}

/// One of two locks is released: the body is dropped before either key is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f14_run_under_several_locks() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    for key in ["first", "second"] {
        let (owned, gone) = owned();
        let request = redlock.lock_all(["second", "first"]);
        let request = request.ttl(TTL).max_hold(MAX_HOLD);
        let body = tokio::spawn(request.run(async move |_| {
            let _owned = owned;
            pending::<Infallible>().await
        }));
        nobody_before(&cluster, &redlock, key, &gone).await;
        assert!(within(BOUND, body).await.unwrap().unwrap_err().is_lost());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f14_several_locks_of_which_one_is_released_by_force() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let (owned, gone) = owned();
    let request = redlock.lock_all(["first", "second"]);
    let body = tokio::spawn(request.ttl(TTL).run(async move |_| {
        let _owned = owned;
        pending::<Infallible>().await
    }));
    eventually(BOUND, async || cluster.locked_on("second").await.len() == 3).await;
    let (other, gone_then) = (client(&cluster).await, Arc::clone(&gone));
    let next = tokio::spawn(async move {
        let guard = other.lock("first").wait(BOUND).await.unwrap();
        (gone_then.load(SeqCst), guard)
    });
    redlock.force_release("second").await.unwrap();
    let (was_gone, _guard) = within(BOUND, next).await.unwrap();
    assert!(was_gone, "the first lock was free beside the body");
    let error = within(BOUND, body).await.unwrap().unwrap_err();
    assert!(error.is_lost(), "{error}");
    assert_eq!(error.key(), Some("second"));
}

#[tokio::test]
async fn f14_a_body_under_several_locks_that_ends_by_itself() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let free = async || {
        for key in ["first", "second"] {
            eventually(BOUND, async || cluster.locked_on(key).await.is_empty()).await;
        }
    };
    let request = redlock.lock_all(["second", "first"]);
    let value = request.run(async |held| {
        let keys: Vec<_> = held.iter().map(|held| held.key().to_owned()).collect();
        for key in &keys {
            let nested = redlock.lock(key.as_str()).await.unwrap_err();
            assert!(nested.is_already_held(), "{key}: {nested}");
        }
        keys
    });
    assert_eq!(value.await.unwrap(), ["first", "second"]);
    free().await;
    let panics = redlock
        .lock_all(["first", "second"])
        .run(async |_| panic!("on purpose"));
    let caught = std::panic::AssertUnwindSafe(panics);
    let caught = futures_util::FutureExt::catch_unwind(caught).await;
    assert!(caught.is_err());
    free().await;
    assert!(redlock::current().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f14_a_body_that_blocks_between_awaits() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let (owned, gone) = owned();
    let guard = redlock
        .lock("body")
        .ttl(TTL)
        .max_hold(MAX_HOLD)
        .await
        .unwrap();
    let body = tokio::spawn(guard.run(async move {
        let _owned = owned;
        thread::sleep(MAX_HOLD + STOPS);
        pending::<Infallible>().await
    }));
    nobody_before(&cluster, &redlock, "body", &gone).await;
    assert!(within(BOUND, body).await.unwrap().unwrap_err().is_lost());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f14_the_layer() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let (owned, gone) = owned();
    let owned = Arc::new(std::sync::Mutex::new(Some(owned)));
    let handler = service_fn(move |_: http::Request<String>| {
        let owned = owned.lock().unwrap().take();
        async move {
            let _owned = owned;
            pending::<Infallible>().await;
            Ok::<_, Infallible>(http::Response::new(axum::body::Body::empty()))
        }
    });
    let layer = RedlockLayer::new(redlock.clone(), key::header("x-user-id"))
        .namespace("body")
        .ttl(TTL)
        .max_hold(MAX_HOLD);
    let request = http::Request::post("/")
        .header("x-user-id", "ada")
        .body(String::new());
    let service = layer.layer(handler);
    let answer = tokio::spawn(service.oneshot(request.unwrap()));
    let mut keys = Vec::new();
    eventually(BOUND, async || {
        keys = cluster.node(0).keys().await;
        keys.retain(|key| {
            key.contains("ada") && !key.contains("fence") && !key.contains("waiters")
        });
        !keys.is_empty()
    })
    .await;
    nobody_before(&cluster, &redlock, &keys[0], &gone).await;
    let answer = within(BOUND, answer).await.unwrap().unwrap();
    assert!(answer.status().is_server_error(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f14_the_layer_for_any_service() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let (owned, gone) = owned();
    let owned = Arc::new(std::sync::Mutex::new(Some(owned)));
    let layer = LockLayer::new(redlock.clone(), |key: &String| Some(key.clone()))
        .ttl(TTL)
        .max_hold(MAX_HOLD);
    let service = layer.layer(service_fn(move |_| {
        let owned = owned.lock().unwrap().take();
        async move {
            let _owned = owned;
            pending::<Result<(), Infallible>>().await
        }
    }));
    let answer = tokio::spawn(service.oneshot("body".to_owned()));
    nobody_before(&cluster, &redlock, "body", &gone).await;
    assert!(within(BOUND, answer).await.unwrap().is_err());
}

#[redlock(key = "body", ttl = "20s", max_hold = "200ms", lock = *redlock)]
async fn annotated(redlock: &Redlock, owned: Owned) -> Result<(), redlock::Error> {
    let _owned = owned;
    pending().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f14_the_attribute() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let (owned, gone) = owned();
    let handle = redlock.clone();
    let body = tokio::spawn(async move { annotated(&handle, owned).await });
    nobody_before(&cluster, &redlock, "body", &gone).await;
    assert!(within(BOUND, body).await.unwrap().unwrap_err().is_lost());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f14_the_next_waiter_in_this_process_waits_for_a_body_whose_lock_was_released_by_force() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let (owned, gone) = owned();
    let (next, gone_then) = (redlock.clone(), Arc::clone(&gone));
    let body = redlock.lock("body").ttl(Duration::from_secs(2));
    let body = tokio::spawn(body.run(async move |_| {
        let _owned = owned;
        pending::<Infallible>().await
    }));
    eventually(BOUND, async || cluster.locked_on("body").await.len() == 3).await;
    let next = tokio::spawn(async move {
        let guard = next.lock("body").wait(BOUND).await.unwrap();
        (gone_then.load(SeqCst), guard)
    });
    redlock.force_release("body").await.unwrap();
    let (was_gone, _guard) = within(BOUND, next).await.unwrap();
    assert!(was_gone, "the next turn began beside the body before");
    assert!(within(BOUND, body).await.unwrap().unwrap_err().is_lost());
}

/// The worker that waits for sockets runs the tasks that they wake; while that blocks, tokio wakes no other worker to wait.
/// A task from outside does, until the sender is dropped.
fn keep_workers_awake() -> mpsc::Sender<()> {
    let runtime = Handle::current();
    let (kept, until) = mpsc::channel();
    thread::spawn(move || {
        let pause = Duration::from_millis(10);
        while until.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            runtime.spawn(ready(()));
        }
    });
    kept
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f14_a_body_that_never_stops_keeps_its_key_for_the_rest_of_the_ttl_only() {
    let cluster = Cluster::start(3).await;
    let (redlock, there) = (client(&cluster).await, client(&cluster).await);
    let ttl = Duration::from_secs(2);
    let (end, ended) = mpsc::channel::<()>();
    let request = redlock.lock("body").ttl(ttl).max_hold(MAX_HOLD);
    let body = tokio::spawn(request.run(async move |_| {
        let _ = ended.recv_timeout(BOUND * 4);
        pending::<Infallible>().await
    }));
    let _others = keep_workers_awake();
    eventually(BOUND, async || cluster.locked_on("body").await.len() == 3).await;
    let begun = Instant::now();
    let guard = there.lock("body").wait(BOUND).await.unwrap();
    assert!(begun.elapsed() < BOUND / 2, "{:?}", begun.elapsed());
    // Here too: the next waiter has the lock.
    guard.release().await.unwrap();
    let next = redlock.lock("body").wait(BOUND).into_future();
    within(BOUND, next).await.unwrap().release().await.unwrap();
    drop(end);
    assert!(within(BOUND, body).await.unwrap().unwrap_err().is_lost());
}

#[tokio::test]
async fn f14_a_body_that_keeps_blocking_is_reported() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let logs = Logs::capture(LevelFilter::INFO);
    let request = redlock.lock("body").ttl(TTL).max_hold(MAX_HOLD);
    let ran = request.run(async |_| {
        tokio::task::yield_now().await;
        thread::sleep(MAX_HOLD + STOPS);
        pending::<Infallible>().await
    });
    assert!(
        within(BOUND, ran.into_future())
            .await
            .unwrap_err()
            .is_lost()
    );
    let warned = logs.lines_with("continued after its lock was lost");
    assert_eq!(warned.len(), 1, "{}", logs.text());
    assert!(warned[0].contains("f14_a_body_that_keeps_blocking_is_reported"));
    assert!(warned[0].contains("ran_on="), "{warned:?}");
}
