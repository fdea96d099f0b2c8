//! Replays while nodes or the store are down.

use axum::{Router, routing::post};
use redlock::memory::Nodes;
use redlock_tower::{RedlockLayer, replay::MemoryStore};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tests::web::{Answer, DAY, SOON, by_user, locks, read, submit};
use tests::{eventually, store::TestStore, within};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

type Runs = Arc<AtomicUsize>;

/// A handler that counts its runs, and blocks while the semaphore has no permits.
fn charging(runs: &Runs, unblock: &Arc<Semaphore>) -> Router {
    let (runs, unblock) = (Arc::clone(runs), Arc::clone(unblock));
    let handler = move || async move {
        let run = runs.fetch_add(1, SeqCst) + 1;
        unblock.acquire().await.unwrap().forget();
        format!("charge {run}")
    };
    Router::new().route("/pay", post(handler))
}

fn open() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(1_000))
}

async fn pay(app: &Router, key: &str) -> Answer {
    let response = within(SOON, app.clone().oneshot(submit("/pay", key, ""))).await;
    read(response.unwrap()).await
}

fn stop_a_majority(cluster: &Nodes) {
    cluster.node(0).stop();
    cluster.node(1).stop();
}

/// A layer that fails open uses the store while the nodes are down.
#[tokio::test]
async fn f26_records_are_read_and_written_while_there_is_no_quorum() {
    let (cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, by_user()).fail_open();
    let runs = Runs::default();
    let app = charging(&runs, &open()).layer(layer.replay(MemoryStore::new(), DAY));
    let before = pay(&app, "1").await;
    assert_eq!((before.text(), before.is_replayed()), ("charge 1", false));
    stop_a_majority(&cluster);
    let again = pay(&app, "1").await;
    assert_eq!((again.text(), again.is_replayed()), ("charge 1", true));
    let other = within(SOON, app.clone().oneshot(submit("/pay", "1", "more"))).await;
    assert_eq!(other.unwrap().status(), 422);

    let during = pay(&app, "2").await;
    assert_eq!((during.text(), during.is_replayed()), ("charge 2", false));
    let again = pay(&app, "2").await;
    assert_eq!((again.text(), again.is_replayed()), ("charge 2", true));
    cluster.node(0).start();
    cluster.node(1).start();
    let after = pay(&app, "2").await;
    assert_eq!((after.text(), after.is_replayed()), ("charge 2", true));
    assert_eq!(runs.load(SeqCst), 2);
}

/// A request has left a marker and no record. Without a lock it is unknown whether it still runs.
#[tokio::test]
async fn f26_a_marker_from_before_an_outage_does_not_prevent_fail_open() {
    let (cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, by_user()).fail_open();
    let (runs, unblock) = (Runs::default(), Arc::new(Semaphore::new(0)));
    let app = charging(&runs, &unblock).layer(
        layer
            .max_hold(Duration::from_millis(50))
            .replay(MemoryStore::new(), DAY),
    );
    // The handler is cancelled.
    assert_eq!(pay(&app, "1").await.status, 503);
    stop_a_majority(&cluster);
    unblock.add_permits(1);
    assert_eq!(pay(&app, "1").await.text(), "charge 2");
}

/// The nodes of the inner layer are down, those of the outer layer are not.
#[tokio::test]
async fn f42_without_a_quorum_nothing_is_recorded_with_the_token_of_an_outer_lock() {
    let ((cluster, redlock), (_others, outer)) = (locks().await, locks().await);
    let outer =
        RedlockLayer::new(outer, redlock_tower::key::header("x-user-id")).namespace("outer");
    let (store, runs) = (MemoryStore::new(), Runs::default());
    let layer = RedlockLayer::new(redlock, by_user())
        .fail_open()
        .replay(store, DAY);
    let app = charging(&runs, &open()).layer(layer).layer(outer);
    stop_a_majority(&cluster);
    assert!(!pay(&app, "1").await.is_replayed());
    cluster.node(0).start();
    cluster.node(1).start();
    assert!(pay(&app, "1").await.is_replayed());
    assert_eq!(runs.load(SeqCst), 1);
}

/// A handler that runs without the lock finishes after a disconnect too.
#[tokio::test]
async fn f41_a_client_that_retries_during_an_outage_is_charged_once() {
    let (cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, by_user()).fail_open();
    let (runs, unblock) = (Runs::default(), Arc::new(Semaphore::new(0)));
    let store = TestStore::default();
    let app = charging(&runs, &unblock).layer(layer.replay(store.clone(), DAY));
    stop_a_majority(&cluster);
    let first = tokio::spawn(app.clone().oneshot(submit("/pay", "1", "")));
    eventually(SOON, async || runs.load(SeqCst) == 1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    unblock.add_permits(1_000);
    // The client is gone, and the first run finishes and is recorded.
    eventually(SOON, async || store.finished() == 1).await;
    let again = pay(&app, "1").await;
    assert_eq!((again.text(), again.is_replayed()), ("charge 1", true));
    assert_eq!(runs.load(SeqCst), 1);
}

/// The handler has run, so failed writes are retried.
#[tokio::test(start_paused = true)]
async fn f48_a_response_is_recorded_after_short_failures_of_the_store() {
    for failures in [1, 3, 10] {
        let (_cluster, redlock) = locks().await;
        let (runs, store) = (Runs::default(), TestStore::default());
        store.fail_next(failures);
        let layer = RedlockLayer::new(redlock, by_user()).replay(store.clone(), DAY);
        let app = charging(&runs, &open()).layer(layer);
        let first = pay(&app, "1").await;
        assert_eq!(first.text(), "charge 1");
        // The response does not wait for a long outage of the store.
        eventually(Duration::from_secs(40), async || store.failures() == 0).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(pay(&app, "1").await.is_replayed(), "{first:?}");
        assert_eq!(runs.load(SeqCst), 1);
    }
}
