//! A panic in a function of the user that the client calls.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use redlock::{Credentials, CredentialsProvider, Redlock, memory::Nodes};
use tests::{
    Cluster, eventually,
    sharded::{OF_SHARD, Sharded},
    within,
};
use tracing::{Event, Subscriber, subscriber::DefaultGuard};
use tracing_subscriber::{Layer, Registry, layer::Context, layer::SubscriberExt as _};

use crate::SOON;

/// A panic fails the attempt to connect, but neither that node for good nor the others.
#[tokio::test]
async fn a_provider_of_credentials_that_panics_is_asked_again() {
    let cluster = Cluster::start(3).await;
    for node in cluster.nodes() {
        let mut user = redis::cmd("ACL");
        user.arg("SETUSER").arg("locker");
        user.arg(&["on", ">secret", "~*", "&*", "+@all"]);
        let () = node.ask(&user).await;
    }
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let provider = CredentialsProvider::new(move |_| {
        let call = counted.fetch_add(1, SeqCst);
        async move {
            assert!(call >= 6, "the token cannot be read: {call}");
            Ok::<_, std::io::Error>(Credentials::new("locker", "secret"))
        }
    });
    let nodes = cluster.nodes().iter();
    let nodes = nodes.map(|node| format!("redis://{}", node.address()));
    let redlock = Redlock::builder().nodes(nodes).credentials(provider);
    let redlock = redlock.connect_lazy().expect("three nodes");
    let error = redlock.lock("a").no_wait().await.expect_err("no login");
    assert!(error.to_string().contains("panicked"), "{error}");
    assert!(!error.to_string().contains("token"), "{error}");
    eventually(SOON, async || redlock.try_lock("a").await.is_ok()).await;
}

/// Panics at the next event of a node.
struct PanicsOnce(Arc<AtomicBool>);

impl<S: Subscriber> Layer<S> for PanicsOnce {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let of_node = event.metadata().fields().field("node").is_some();
        assert!(!(of_node && self.0.swap(false, SeqCst)), "the log is full");
    }
}

/// The events of nodes are emitted by the task of all connections.
#[tokio::test]
async fn a_subscriber_of_events_that_panics_costs_no_connection() {
    let panics = Arc::new(AtomicBool::new(false));
    let subscriber = Registry::default().with(PanicsOnce(Arc::clone(&panics)));
    // Tokio runs the tasks of this test on this thread.
    let _subscriber = tracing::subscriber::set_default(subscriber);
    let nodes = Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let held = redlock.lock("a").ttl(SOON).await.expect("free");
    panics.store(true, SeqCst);
    nodes.node(0).stop();
    eventually(SOON, async || !panics.load(SeqCst)).await;
    let next = within(SOON, redlock.lock("b")).await;
    let next = next.expect("two nodes are left");
    next.release().await.expect("two nodes are left");
    held.extend().await.expect("two nodes are left");
    held.release().await.expect("two nodes are left");
}

/// The connection to each server of a Cluster has a task of its own, which is made only when the map of slots changes.
#[tokio::test]
async fn a_subscriber_that_panics_costs_a_cluster_no_shard() {
    let Some(sharded) = Sharded::start(0).await else {
        return;
    };
    let panics = Arc::new(AtomicBool::new(false));
    let subscriber = Registry::default().with(PanicsOnce(Arc::clone(&panics)));
    let _subscriber = tracing::subscriber::set_default(subscriber);
    let redlock = Redlock::connect([sharded.url()]).await.expect("a cluster");
    for key in OF_SHARD {
        redlock
            .lock(key)
            .await
            .expect("free")
            .release()
            .await
            .expect("a cluster");
    }
    for (shard, key) in OF_SHARD.into_iter().enumerate() {
        panics.store(true, SeqCst);
        // A hung connection is reported as well.
        sharded.shard(shard).pause();
        // In a task of its own, since the request may be where the next event of a node is.
        let _ = tokio::spawn(redlock.lock(key).no_wait().into_future()).await;
        eventually(SOON, async || !panics.load(SeqCst)).await;
        sharded.shard(shard).resume();
        let next = within(SOON, redlock.lock(key).wait(SOON).into_future()).await;
        next.expect("the server is back")
            .release()
            .await
            .expect("a cluster");
    }
}

/// Panics at the next event of a lock.
struct PanicsAtLock(Arc<AtomicUsize>);

impl<S: Subscriber> Layer<S> for PanicsAtLock {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let of_lock = event.metadata().target() == "redlock::lock";
        let left = |left: usize| left.checked_sub(1);
        let panics = of_lock && self.0.fetch_update(SeqCst, SeqCst, left).is_ok();
        assert!(!panics, "the log is full");
    }
}

/// Renewals are reported where they fail, by the task that makes all of them.
#[tokio::test(start_paused = true)]
async fn a_subscriber_that_panics_costs_no_renewed_lock() {
    let panics = Arc::new(AtomicUsize::new(0));
    let subscriber = Registry::default().with(PanicsAtLock(Arc::clone(&panics)));
    let _subscriber = tracing::subscriber::set_default(subscriber);
    let nodes = Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let mut held = Vec::new();
    for key in ["a", "b", "c"] {
        held.push(redlock.lock(key).ttl(SOON).await.expect("free"));
    }
    panics.store(1, SeqCst);
    for node in nodes.nodes() {
        node.stop();
    }
    tokio::time::sleep(SOON * 2 / 5).await;
    assert_eq!(panics.load(SeqCst), 0, "renewals have failed by now");
    for node in nodes.nodes() {
        node.start();
    }
    tokio::time::sleep(SOON * 5).await;
    for guard in held {
        assert!(!guard.is_lost(), "{guard:?}");
        guard.release().await.expect("three nodes");
    }
}

/// Nodes in memory, a client of them, and a switch: the next events of locks panic, as many as it says.
async fn with_panics() -> (Nodes, Redlock, Arc<AtomicUsize>, DefaultGuard) {
    let panics = Arc::new(AtomicUsize::new(0));
    let subscriber = Registry::default().with(PanicsAtLock(Arc::clone(&panics)));
    let subscriber = tracing::subscriber::set_default(subscriber);
    let nodes = Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    (nodes, redlock, panics, subscriber)
}

/// The warning is about the time that has passed, and comes when renewals are due.
#[tokio::test(start_paused = true)]
async fn a_panic_before_late_renewals_costs_no_lock() {
    let (_nodes, redlock, panics, _subscriber) = with_panics().await;
    let mut held = Vec::new();
    for key in ["a", "b", "c"] {
        held.push(redlock.lock(key).ttl(SOON).await.expect("free"));
    }
    // The time of the client stands still otherwise, so this is a runtime that was blocked for most of a ttl.
    tokio::time::advance(SOON * 7 / 10).await;
    panics.store(1, SeqCst);
    tokio::time::sleep(SOON * 5).await;
    assert_eq!(panics.load(SeqCst), 0, "the delay was reported");
    for guard in held {
        assert!(!guard.is_lost(), "{guard:?}");
        guard.release().await.expect("three nodes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_loss_whose_event_panics_is_a_loss() {
    let (_nodes, redlock, panics, _subscriber) = with_panics().await;
    let guard = redlock.lock("a").ttl(SOON).await.expect("free");
    let held = guard.held();
    panics.store(1, SeqCst);
    redlock.force_release("a").await.expect("three nodes");
    assert_eq!(panics.load(SeqCst), 0, "the loss was reported");
    assert!(held.is_lost() && guard.is_lost(), "{guard:?}");
    assert!(held.remaining().is_zero());
    within(SOON, guard.lost()).await;
    drop(guard);
    let next = within(SOON, redlock.lock("a").wait(SOON).into_future()).await;
    next.expect("nobody has it")
        .release()
        .await
        .expect("three nodes");
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_event_panics_is_sent() {
    let (_nodes, redlock, panics, _subscriber) = with_panics().await;
    for waits in [false, true] {
        let guard = redlock.lock("a").ttl(SOON * 2).await.expect("free");
        let waiter = waits.then(|| tokio::spawn(redlock.lock("a").wait(SOON).into_future()));
        tokio::task::yield_now().await;
        panics.store(1, SeqCst);
        guard.release().await.expect("three nodes");
        assert_eq!(panics.load(SeqCst), 0, "the release was reported");
        if let Some(waiter) = waiter {
            drop(waiter.await.expect("no panic").expect("released"));
        }
        let next = redlock.lock("a").wait(SOON).await.expect("released");
        next.release().await.expect("three nodes");
    }
}

/// Of a grant, of an attempt that is rolled back, and of one that is refused.
#[tokio::test(start_paused = true)]
async fn a_request_whose_event_panics_leaves_nothing_behind() {
    let (nodes, redlock, panics, _subscriber) = with_panics().await;
    panics.store(1, SeqCst);
    let guard = redlock.lock("a").ttl(SOON).await.expect("free");
    assert_eq!(panics.load(SeqCst), 0, "the grant was reported");
    panics.store(1, SeqCst);
    let refused = redlock.lock("a").no_wait().await.expect_err("held");
    assert_eq!(panics.load(SeqCst), 0, "{refused}");
    guard.release().await.expect("three nodes");
    for node in &nodes.nodes()[1..] {
        node.hang();
    }
    panics.store(usize::MAX, SeqCst);
    redlock.lock("a").no_wait().await.expect_err("one node");
    for node in &nodes.nodes()[1..] {
        node.resume();
    }
    let next = redlock.lock("a").ttl(SOON).wait(SOON / 4).await;
    next.expect("rolled back")
        .release()
        .await
        .expect("three nodes");
}

/// The release of a lost lock waits for its body, which is reported before it and after it.
#[tokio::test(start_paused = true)]
async fn a_body_that_ran_on_and_whose_event_panics_is_followed_by_the_release() {
    let (_nodes, redlock, panics, _subscriber) = with_panics().await;
    let body = redlock.lock("a").ttl(SOON).max_hold(SOON / 10);
    let mut body = Box::pin(body.run(async |_| std::future::pending::<()>().await));
    assert!(tokio::time::timeout(SOON / 20, &mut body).await.is_err());
    // Not polled meanwhile, as if it did not await.
    panics.store(usize::MAX, SeqCst);
    tokio::time::sleep(SOON / 4).await;
    drop(body);
    let next = redlock.lock("a").wait(SOON / 4).await;
    next.expect("released")
        .release()
        .await
        .expect("three nodes");
}
