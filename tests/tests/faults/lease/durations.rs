//! A duration that cannot be used is an error that names it, its limit and what to do, before anything is done.

use std::{convert::Infallible, time::Duration};

use redlock::{ErrorKind, Redlock, memory, redlock};
use redlock_tower::LockLayer;
use tower::{Layer as _, ServiceExt as _, service_fn};

const NONE: Duration = Duration::ZERO;
const TINY: Duration = Duration::from_nanos(1);

async fn nodes() -> Redlock {
    Redlock::connect(memory::Nodes::new(3).nodes())
        .await
        .unwrap()
}

#[track_caller]
fn names(error: &redlock::Error, name: &str) {
    assert_eq!(error.kind(), ErrorKind::InvalidTtl, "{error}");
    assert!(error.to_string().contains(name), "{error}");
}

#[tokio::test]
async fn f9_invalid_durations_of_a_request_are_named() {
    let redlock = nodes().await;
    for bad in [NONE, TINY, Duration::MAX] {
        let request = || redlock.lock("a");
        names(&request().ttl(bad).await.unwrap_err(), "ttl");
        names(&request().max_hold(bad).await.unwrap_err(), "max_hold");
        let guard = request().await.unwrap();
        names(&guard.cool_down(bad).await.unwrap_err(), "cool-down");
    }
    for bad in [TINY, Duration::MAX] {
        let request = redlock.lock("a").at_least(bad);
        names(&request.await.unwrap_err(), "at_least");
    }
    // A wait is sent to no node, and may be unlimited.
    let wait = redlock.lock("a").wait(Duration::MAX);
    wait.await.unwrap().release().await.unwrap();
    let ttl = redlock.lock_all(["a", "b"]).ttl(Duration::MAX);
    names(&ttl.await.unwrap_err(), "ttl");
    // None of them left a lock.
    assert!(!redlock.is_locked("a").await.unwrap());
}

#[tokio::test]
async fn f9_invalid_durations_of_a_client_are_named() {
    let build = || Redlock::builder().nodes(memory::Nodes::new(3).nodes());
    let max = Duration::MAX;
    for (built, name) in [
        (build().ttl(max), "ttl"),
        (build().max_ttl(max), "max_ttl"),
        (build().node_timeout(max), "node_timeout"),
        (build().node_timeout(TINY), "node_timeout"),
        (build().clock_skew(max), "clock_skew"),
        (build().fence_retention(max), "fence_retention"),
        (build().fence_retention(NONE), "fence_retention"),
        (build().ttl(TINY), "ttl"),
        (build().max_ttl(NONE), "max_ttl"),
    ] {
        names(&built.connect_lazy().unwrap_err(), name);
    }
}

#[redlock(key = "a", ttl = "5s", dedupe_for = Duration::MAX, lock = *redlock)]
async fn remembered(redlock: &Redlock) -> Result<(), redlock::Error> {
    panic!("it runs although its window cannot be")
}

#[tokio::test]
async fn f9_an_invalid_cool_down_is_an_error_before_the_work_is_done() {
    let redlock = nodes().await;
    names(&remembered(&redlock).await.unwrap_err(), "cool-down");
    for bad in [TINY, Duration::MAX] {
        let layer = LockLayer::new(redlock.clone(), |key: &String| Some(key.clone()));
        let service = layer.dedupe_for(bad).layer(service_fn(async |_| {
            panic!("it runs although its window cannot be");
            #[expect(unreachable_code)]
            Ok::<(), Infallible>(())
        }));
        match service.oneshot("a".to_owned()).await.unwrap_err() {
            redlock_tower::LockError::Lock(error) => names(&error, "cool-down"),
            other => panic!("{other}"),
        }
    }
}
