//! While the nodes or the store do not answer: what was answered is answered again, and what runs is not run twice.

use super::{Answer, DAY, SOON, by_user, read, replayed, submit};
use axum::{Router, routing::post};
use redlock::{FencingToken, Redlock, memory::Cluster};
use redlock_tower::{
    RedlockLayer,
    replay::{Begun, MemoryStore, ReplayStore, StoreError},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tests::{eventually, within};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

type Runs = Arc<AtomicUsize>;

/// Counts its runs, behind a door that is open unless a test closes it.
fn charging(runs: &Runs, door: &Arc<Semaphore>) -> Router {
    let (runs, door) = (Arc::clone(runs), Arc::clone(door));
    let handler = move || async move {
        let run = runs.fetch_add(1, SeqCst) + 1;
        door.acquire().await.unwrap().forget();
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

fn stop_a_majority(cluster: &Cluster) {
    cluster.node(0).stop();
    cluster.node(1).stop();
}

async fn locks() -> (Cluster, Redlock) {
    let cluster = Cluster::new(3);
    let redlock = Redlock::builder().nodes(cluster.nodes()).namespace("shop:");
    let redlock = redlock.connect().await.unwrap();
    (cluster, redlock)
}

/// The lock's nodes are gone and the store is there: its records are used, and made, by a layer that fails open.
#[tokio::test]
async fn f26_records_are_read_and_written_while_there_is_no_quorum() {
    let (cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, by_user()).fail_open();
    let runs = Runs::default();
    let app = charging(&runs, &open()).layer(layer.replay(MemoryStore::new(), DAY));
    let before = pay(&app, "1").await;
    assert_eq!(
        (before.text(), replayed(&before)),
        ("charge 1".into(), false)
    );
    stop_a_majority(&cluster);
    let again = pay(&app, "1").await;
    assert_eq!((again.text(), replayed(&again)), ("charge 1".into(), true));
    let other = within(SOON, app.clone().oneshot(submit("/pay", "1", "more"))).await;
    assert_eq!(other.unwrap().status(), 422);

    let during = pay(&app, "2").await;
    assert_eq!(
        (during.text(), replayed(&during)),
        ("charge 2".into(), false)
    );
    let again = pay(&app, "2").await;
    assert_eq!((again.text(), replayed(&again)), ("charge 2".into(), true));
    cluster.node(0).start();
    cluster.node(1).start();
    let after = pay(&app, "2").await;
    assert_eq!((after.text(), replayed(&after)), ("charge 2".into(), true));
    assert_eq!(runs.load(SeqCst), 2);
}

/// Somebody began under the lock and has left no answer: the layer fails open, and says nothing of what it cannot know.
#[tokio::test]
async fn f26_what_began_before_an_outage_does_not_keep_a_layer_from_failing_open() {
    let (cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, by_user()).fail_open();
    let (runs, door) = (Runs::default(), Arc::new(Semaphore::new(0)));
    let app = charging(&runs, &door).layer(
        layer
            .max_hold(Duration::from_millis(50))
            .replay(MemoryStore::new(), DAY),
    );
    // the handler is cancelled half-way
    assert_eq!(pay(&app, "1").await.status, 503);
    stop_a_majority(&cluster);
    door.add_permits(1);
    assert_eq!(pay(&app, "1").await.text(), "charge 2");
}

/// A layer around another one, whose nodes are gone: nothing is recorded in the name of the outer lock.
#[tokio::test]
async fn f42_without_a_quorum_nothing_is_recorded_under_another_layers_lock() {
    let ((cluster, redlock), (_others, outer)) = (locks().await, locks().await);
    let outer =
        RedlockLayer::new(outer, redlock_tower::key::header("x-user-id")).namespace("outer");
    let (store, runs) = (MemoryStore::new(), Runs::default());
    let layer = RedlockLayer::new(redlock, by_user())
        .fail_open()
        .replay(store, DAY);
    let app = charging(&runs, &open()).layer(layer).layer(outer);
    stop_a_majority(&cluster);
    assert!(!replayed(&pay(&app, "1").await));
    cluster.node(0).start();
    cluster.node(1).start();
    assert!(replayed(&pay(&app, "1").await));
    assert_eq!(runs.load(SeqCst), 1);
}

/// A store that counts the answers that it has kept.
#[derive(Clone, Default)]
struct Counting(MemoryStore, Runs);

impl ReplayStore for Counting {
    async fn begin(
        &self,
        key: &str,
        token: FencingToken,
        ttl: Duration,
    ) -> Result<Begun, StoreError> {
        self.0.begin(key, token, ttl).await
    }

    async fn finish(
        &self,
        key: &str,
        token: FencingToken,
        record: Vec<u8>,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let kept = self.0.finish(key, token, record, ttl).await;
        self.1.fetch_add(1, SeqCst);
        kept
    }
}

/// A handler that runs without the lock outlives its client as well.
#[tokio::test]
async fn f41_a_client_that_gives_up_during_an_outage_is_charged_once() {
    let (cluster, redlock) = locks().await;
    let layer = RedlockLayer::new(redlock, by_user()).fail_open();
    let (runs, door) = (Runs::default(), Arc::new(Semaphore::new(0)));
    let store = Counting::default();
    let app = charging(&runs, &door).layer(layer.replay(store.clone(), DAY));
    stop_a_majority(&cluster);
    let first = tokio::spawn(app.clone().oneshot(submit("/pay", "1", "")));
    eventually(SOON, async || runs.load(SeqCst) == 1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    door.add_permits(1_000);
    // The client is gone, and the first run ends and is recorded.
    eventually(SOON, async || store.1.load(SeqCst) == 1).await;
    let again = pay(&app, "1").await;
    assert_eq!((again.text(), replayed(&again)), ("charge 1".into(), true));
    assert_eq!(runs.load(SeqCst), 1);
}

/// A store that fails when it is to keep an answer, so many times.
#[derive(Clone)]
struct Failing(MemoryStore, Arc<AtomicUsize>);

impl ReplayStore for Failing {
    async fn begin(
        &self,
        key: &str,
        token: FencingToken,
        ttl: Duration,
    ) -> Result<Begun, StoreError> {
        self.0.begin(key, token, ttl).await
    }

    async fn finish(
        &self,
        key: &str,
        token: FencingToken,
        record: Vec<u8>,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let left = self.1.load(SeqCst);
        if left > 0 {
            self.1.store(left - 1, SeqCst);
            return Err(StoreError::new("the server restarts"));
        }
        self.0.finish(key, token, record, ttl).await
    }
}

/// The handler has charged; what the store cannot take at this moment it is offered again.
#[tokio::test(start_paused = true)]
async fn f48_an_answer_is_kept_although_the_store_fails_for_a_moment() {
    for failures in [1, 3, 10] {
        let (_cluster, redlock) = locks().await;
        let store = Failing(MemoryStore::new(), Arc::new(AtomicUsize::new(failures)));
        let (runs, failures) = (Runs::default(), Arc::clone(&store.1));
        let app = charging(&runs, &open())
            .layer(RedlockLayer::new(redlock, by_user()).replay(store, DAY));
        let first = pay(&app, "1").await;
        assert_eq!(first.text(), "charge 1");
        // the answer does not wait for a long outage of the store
        eventually(Duration::from_secs(40), async || failures.load(SeqCst) == 0).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(replayed(&pay(&app, "1").await), "{first:?}");
        assert_eq!(runs.load(SeqCst), 1);
    }
}
