//! The lifetime of records.

use axum::{Router, extract::State, routing::post};
use http::StatusCode;
use redlock_tower::{
    HeldLock, RedlockLayer,
    replay::{MemoryStore, RedisStore},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tests::web::{SOON, by_user, redlock, send, submit};
use tests::{eventually, store::TestStore};
use tokio::{sync::Semaphore, time::sleep};
use tower::ServiceExt as _;

type Runs = Arc<AtomicUsize>;

/// A handler that takes this long, and counts its runs.
fn slow(runs: &Runs, takes: Duration) -> Router {
    let handler = move |State(runs): State<Runs>| async move {
        sleep(takes).await;
        format!("run {}", runs.fetch_add(1, SeqCst) + 1)
    };
    Router::new()
        .route("/", post(handler))
        .with_state(Arc::clone(runs))
}

async fn repeat_is_replayed(app: &Router) -> bool {
    send(app, submit("/", "1", "")).await.is_replayed()
}

#[tokio::test]
async fn f48_a_handler_slower_than_the_ttl_of_its_record_is_recorded() {
    let cluster = tests::Cluster::start(1).await;
    let (memory, redis) = (MemoryStore::new(), RedisStore::new(&cluster.node(0).url()));
    let redis = redis.unwrap();
    let ttl = Duration::from_secs(2);
    let layer = RedlockLayer::new(redlock().await, by_user());
    let runs = [Runs::default(), Runs::default()];
    let apps = [
        slow(&runs[0], 2 * ttl).layer(layer.clone().replay(memory, ttl)),
        slow(&runs[1], 2 * ttl).layer(layer.namespace("redis").replay(redis, ttl)),
    ];
    for (app, runs) in apps.iter().zip(&runs) {
        assert!(!repeat_is_replayed(app).await);
        assert!(repeat_is_replayed(app).await);
        assert_eq!(runs.load(SeqCst), 1);
    }
}

/// A handler of ten minutes, on a paused clock.
#[tokio::test(start_paused = true)]
async fn f48_the_in_progress_marker_is_renewed() {
    let (runs, store) = (Runs::default(), TestStore::default());
    let layer = RedlockLayer::new(redlock().await, by_user());
    let layer = layer.replay(store.clone(), Duration::from_secs(1));
    let app = slow(&runs, Duration::from_secs(600)).layer(layer);
    assert!(!repeat_is_replayed(&app).await);
    assert!(repeat_is_replayed(&app).await);
    let begun = store.begun();
    assert!((20..200).contains(&begun), "{begun} markers");
    assert_eq!(runs.load(SeqCst), 1);
}

/// A handler that took the guard responds at once. Its record is renewed until the job has ended.
#[tokio::test]
async fn f48_a_record_outlives_a_background_job_under_the_lock() {
    let (runs, unblock) = (Runs::default(), Arc::new(Semaphore::new(0)));
    let handler = {
        let (runs, unblock) = (Arc::clone(&runs), Arc::clone(&unblock));
        move |lock: HeldLock| async move {
            runs.fetch_add(1, SeqCst);
            let guard = lock.into_guard().unwrap();
            tokio::spawn(async move {
                unblock.acquire().await.unwrap().forget();
                guard.release().await.unwrap();
            });
            StatusCode::ACCEPTED
        }
    };
    let ttl = Duration::from_secs(1);
    let layer = RedlockLayer::new(redlock().await, by_user()).replay(MemoryStore::new(), ttl);
    let app = Router::new().route("/", post(handler)).layer(layer);
    assert!(!repeat_is_replayed(&app).await);
    sleep(3 * ttl).await;
    let busy = app.clone().oneshot(submit("/", "1", "")).await.unwrap();
    assert_eq!(busy.status(), 409);
    unblock.add_permits(1);
    eventually(SOON, async || repeat_is_replayed(&app).await).await;
    assert_eq!(runs.load(SeqCst), 1);
}

/// And no longer: a record that is over is over.
#[tokio::test]
async fn f48_a_record_expires() {
    let runs = Runs::default();
    let layer = RedlockLayer::new(redlock().await, by_user());
    let layer = layer.replay(MemoryStore::new(), Duration::from_millis(100));
    let app = slow(&runs, Duration::ZERO).layer(layer);
    assert!(!repeat_is_replayed(&app).await);
    eventually(SOON, async || {
        repeat_is_replayed(&app).await;
        runs.load(SeqCst) > 1
    })
    .await;
}
