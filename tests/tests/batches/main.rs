//! Commands that wait for a connection at the same moment share one script call, and nobody can tell but the server.

mod bounds;
mod errors;
mod order;
mod relay;
mod tombstones;
mod unknown;

use std::time::Duration;

use futures_util::future::join_all;
use redlock::{Guard, Redlock, RestartGuard};
use tests::{Cluster, Sharded, eventually, within};

/// Long enough for anything here, however busy the machine is.
const LONG: Duration = Duration::from_secs(30);
/// More than a batch has to have, and fewer than one may have.
const MANY: usize = 20;

/// Names of locks.
fn keys() -> Vec<String> {
    (0..MANY).map(|n| format!("key:{n}")).collect()
}

/// Connects, with time for a busy machine, and lets the servers learn the scripts.
async fn connect(urls: Vec<String>) -> Redlock {
    let redlock = Redlock::builder().nodes(urls).node_timeout(LONG / 10);
    let redlock = redlock.connect().await.expect("all up");
    warm_up(&redlock).await;
    redlock
}

async fn warm_up(redlock: &Redlock) {
    for _ in 0..2 {
        let keys: Vec<String> = (0..MANY).map(|n| format!("warm-up:{n}")).collect();
        release_all(lock_all(redlock, &keys).await).await;
    }
}

/// Tries to lock all keys at the same moment.
async fn try_all(redlock: &Redlock, keys: &[String]) -> Vec<redlock::Result<Option<Guard>>> {
    let tries = keys.iter().map(|key| redlock.lock(key).ttl(LONG).no_wait());
    let tries = tries.map(async |request| match request.await {
        Ok(guard) => Ok(Some(guard)),
        Err(error) if error.is_busy() => Ok(None),
        Err(error) => Err(error),
    });
    within(LONG, join_all(tries)).await
}

/// Locks all keys at the same moment. All of them are free.
async fn lock_all(redlock: &Redlock, keys: &[String]) -> Vec<Guard> {
    let tried = try_all(redlock, keys).await.into_iter();
    tried
        .map(|tried| tried.expect("no fault").expect("free"))
        .collect()
}

async fn release_all(guards: Vec<Guard>) {
    for released in join_all(guards.into_iter().map(Guard::release)).await {
        released.expect("held");
    }
}

/// How many script calls a node has had.
async fn calls(cluster: &Cluster) -> u64 {
    cluster.node(0).calls(&["evalsha", "eval"]).await
}

/// Whether none of the keys is left on any node.
async fn all_free(cluster: &Cluster, keys: &[String]) -> bool {
    for key in keys {
        if !cluster.locked_on(key).await.is_empty() {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn locks_of_the_same_moment_share_calls() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(cluster.urls()).await;
    let before = calls(&cluster).await;
    let guards = lock_all(&redlock, &keys()).await;
    for key in keys() {
        assert_eq!(cluster.locked_on(&key).await, [0, 1, 2], "{key}");
    }
    for extended in join_all(guards.iter().map(Guard::extend)).await {
        extended.expect("held");
    }
    let tokens: Vec<_> = guards.iter().map(Guard::token).collect();
    release_all(guards).await;
    eventually(LONG, async || all_free(&cluster, &keys()).await).await;
    let used = calls(&cluster).await - before;
    assert!(used < MANY as u64, "{used} calls for {} commands", 3 * MANY);
    let again = lock_all(&redlock, &keys()).await;
    for (token, guard) in tokens.iter().zip(&again) {
        assert!(guard.token() > *token, "tokens grow");
    }
    release_all(again).await;
}

#[tokio::test]
async fn a_single_lock_is_not_batched() {
    let cluster = Cluster::start(1).await;
    let redlock = connect(cluster.urls()).await;
    let before = calls(&cluster).await;
    let guard = redlock.lock("alone").await.expect("free");
    guard.release().await.expect("held");
    assert_eq!(
        calls(&cluster).await - before,
        2,
        "an acquire and a release"
    );
}

#[tokio::test]
async fn plain_locks_share_their_releases() {
    let cluster = Cluster::start(1).await;
    let redlock = Redlock::builder().nodes(cluster.urls()).fencing(false);
    let redlock = redlock.connect().await.expect("up");
    warm_up(&redlock).await;
    let before = calls(&cluster).await;
    release_all(lock_all(&redlock, &keys()).await).await;
    assert!(all_free(&cluster, &keys()).await);
    let used = calls(&cluster).await - before;
    assert!(used < MANY as u64 / 2, "{used} calls");
}

#[tokio::test]
async fn a_release_in_a_batch_wakes_waiters() {
    let cluster = Cluster::start(3).await;
    let (first, second) = (connect(cluster.urls()).await, connect(cluster.urls()).await);
    let guards = lock_all(&first, &keys()).await;
    let keys = keys();
    let waits = keys
        .iter()
        .step_by(4)
        .map(|key| second.lock(key).wait(LONG).into_future());
    let waits = tokio::spawn(join_all(waits.collect::<Vec<_>>()));
    // Each waits on the waitlist before the releases.
    eventually(LONG, async || {
        let names = cluster.node(0).keys().await;
        names
            .iter()
            .filter(|name| name.ends_with(":waiters"))
            .count()
            == MANY / 4
    })
    .await;
    release_all(guards).await;
    let woken = within(LONG / 2, waits).await.expect("no panic");
    release_all(
        woken
            .into_iter()
            .map(|woken| woken.expect("free"))
            .collect(),
    )
    .await;
    eventually(LONG, async || all_free(&cluster, &keys).await).await;
}

#[tokio::test]
async fn the_strict_guard_holds_for_batches() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::builder()
        .nodes(cluster.urls())
        .restart_guard(RestartGuard::Strict)
        .node_timeout(LONG / 10)
        .connect_lazy()
        .expect("valid");
    redlock.trust_nodes().await.expect("all up");
    warm_up(&redlock).await;
    release_all(lock_all(&redlock, &keys()).await).await;
    // As after a restart without the data.
    for node in cluster.nodes() {
        let _: () = node.ask(redis::cmd("DEL").arg("{redlock}:marker")).await;
    }
    for tried in try_all(&redlock, &keys()).await {
        let error = tried.expect_err("no node votes");
        assert!(
            error.to_string().contains("may have forgotten locks"),
            "{error}"
        );
    }
    eventually(LONG, async || all_free(&cluster, &keys()).await).await;
}

#[tokio::test]
async fn a_cluster_as_a_node() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let redlock = connect(vec![sharded.url()]).await;
    let guards = lock_all(&redlock, &keys()).await;
    release_all(guards).await;
    release_all(lock_all(&redlock, &keys()).await).await;
}
