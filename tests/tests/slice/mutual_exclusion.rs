//! Many tasks, one key: one at a time, none left out, tokens that grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use redlock::{FencingToken, Redlock};
use tests::{Cluster, eventually, within};
use tokio::sync::Mutex;
use tokio::task::{JoinSet, yield_now};

const TASKS: u64 = 24;
const TURNS: u64 = 5;
const BOUND: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(5);

/// A counter that loses updates unless its users take turns.
#[derive(Debug, Default)]
struct Counter {
    value: AtomicU64,
    inside: AtomicUsize,
    most_inside: AtomicUsize,
}

impl Counter {
    async fn read_modify_write(&self) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_inside.fetch_max(inside, Ordering::SeqCst);
        let read = self.value.load(Ordering::SeqCst);
        // Here the others get their chance to read the same value.
        for _ in 0..20 {
            yield_now().await;
        }
        self.value.store(read + 1, Ordering::SeqCst);
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The test of the test: without a lock this counter does lose updates.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_lock_updates_are_lost() {
    let counter = Arc::new(Counter::default());
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let counter = Arc::clone(&counter);
        tasks.spawn(async move {
            for _ in 0..TURNS {
                counter.read_modify_write().await;
            }
        });
    }
    tasks.join_all().await;
    assert!(counter.most_inside.load(Ordering::SeqCst) > 1);
    assert!(counter.value.load(Ordering::SeqCst) < TASKS * TURNS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_handle_shared_by_all_tasks() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    take_turns(
        &cluster,
        std::iter::repeat_n(redlock, usize::try_from(TASKS).expect("a few")).collect(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_clients_as_in_several_processes() {
    let cluster = Cluster::start(3).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(Redlock::connect(cluster.urls()).await.expect("three nodes"));
    }
    let handles = clients
        .iter()
        .cycle()
        .take(usize::try_from(TASKS).expect("a few"))
        .cloned()
        .collect();
    take_turns(&cluster, handles).await;
}

/// One task for each handle; every one of them gets all its turns.
async fn take_turns(cluster: &Cluster, handles: Vec<Redlock>) {
    let counter = Arc::new(Counter::default());
    let tokens = Arc::new(Mutex::new(Vec::<FencingToken>::new()));
    let expected = u64::try_from(handles.len()).expect("a few") * TURNS;
    let mut tasks = JoinSet::new();
    for redlock in handles {
        let (counter, tokens) = (Arc::clone(&counter), Arc::clone(&tokens));
        tasks.spawn(async move {
            for _ in 0..TURNS {
                let guard = redlock.lock("counter").wait(BOUND).await.expect("a turn");
                counter.read_modify_write().await;
                tokens.lock().await.push(guard.token());
                guard.release().await.expect("released");
            }
        });
    }
    within(BOUND, tasks.join_all()).await;
    assert_eq!(counter.most_inside.load(Ordering::SeqCst), 1);
    assert_eq!(counter.value.load(Ordering::SeqCst), expected);
    // Pushed inside of the critical section, so in the order of the turns.
    let tokens = tokens.lock().await;
    assert!(
        tokens.is_sorted_by(|earlier, later| earlier < later),
        "{tokens:?}"
    );
    eventually(SOON, async || cluster.locked_on("counter").await.is_empty()).await;
}

#[tokio::test]
async fn a_guard_describes_its_lock_and_releases_it() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let ttl = Duration::from_secs(10);
    let guard = redlock.lock("invoice:42").ttl(ttl).await.expect("free");
    assert_eq!(guard.key(), "invoice:42");
    assert!(!guard.is_lost());
    assert!(
        guard.remaining() > ttl / 2 && guard.remaining() < ttl,
        "{:?}",
        guard.remaining()
    );
    eventually(SOON, async || {
        cluster.locked_on("invoice:42").await == [0, 1, 2]
    })
    .await;
    assert!(redlock.is_locked("invoice:42").await.expect("a look"));

    assert!(
        redlock
            .try_lock("invoice:42")
            .await
            .expect("a look")
            .is_none()
    );
    let busy = redlock
        .lock("invoice:42")
        .no_wait()
        .await
        .expect_err("it is held");
    assert!(busy.is_busy());
    assert_eq!(busy.key(), Some("invoice:42"));
    let after = busy.retry_after().expect("what is left of the lease");
    assert!(after > ttl / 2 && after <= ttl, "{after:?}");

    guard.release().await.expect("released");
    assert!(!redlock.is_locked("invoice:42").await.expect("a look"));
    let again = redlock
        .try_lock("invoice:42")
        .await
        .expect("a look")
        .expect("free again");
    again.release().await.expect("released");
    eventually(SOON, async || {
        cluster.locked_on("invoice:42").await.is_empty()
    })
    .await;
}

#[tokio::test]
async fn waiting_ends_with_the_release_or_with_the_time_out() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let other = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let guard = redlock.lock("k").await.expect("free");
    let late = other
        .lock("k")
        .wait(Duration::from_millis(150))
        .await
        .expect_err("it is held");
    assert!(late.is_timed_out(), "{late}");
    assert!(late.retry_after().is_some());

    let waiter = tokio::spawn(async move { other.lock("k").wait(BOUND).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiter.is_finished());
    guard.release().await.expect("released");
    let next = within(SOON, waiter)
        .await
        .expect("no panic")
        .expect("the next turn");
    next.release().await.expect("released");
}

#[tokio::test]
async fn different_keys_do_not_wait_for_each_other() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("three nodes");
    let mut guards = Vec::new();
    for i in 0..50 {
        guards.push(
            redlock
                .lock(format!("k:{i}"))
                .no_wait()
                .await
                .expect("a key of its own"),
        );
    }
    drop(guards);
    redlock.close().await;
    for i in 0..50 {
        assert!(cluster.locked_on(&format!("k:{i}")).await.is_empty());
    }
}
