//! A lock that an operator releases by force is free, and its waiters are notified.

use std::time::Duration;

use redlock::{Redlock, memory};
use tests::Cluster;
use tokio::time::{Instant, sleep, timeout};

const LONG: Duration = Duration::from_secs(50);
const SOON: Duration = Duration::from_secs(20);
const KEY: &str = "invoice:42";

/// In paused time a notification takes no time, and polling takes long.
#[tokio::test(start_paused = true)]
async fn f39_waiters_are_notified() {
    let nodes = memory::Nodes::seeded(3, 1);
    let holder = Redlock::connect(nodes.nodes()).await.expect("all up");
    let operator = Redlock::connect(nodes.nodes()).await.expect("all up");
    let waiter = Redlock::connect(nodes.nodes()).await.expect("all up");
    for _ in 0..3 {
        let guard = holder.lock(KEY).ttl(LONG).await.expect("free");
        let waiter = waiter.clone();
        let waiting = tokio::spawn(async move { waiter.lock(KEY).wait(LONG).await });
        sleep(Duration::from_millis(1_500)).await;
        let began = Instant::now();
        operator.force_release(KEY).await.expect("taken");
        let next = waiting.await.expect("no panic").expect("a lock");
        let after = began.elapsed();
        assert!(after < Duration::from_millis(20), "{after:?}");
        next.release().await.expect("released");
        drop(guard);
    }
}

/// On servers: several waiters get the lock one after the other, and nothing is left.
#[tokio::test]
async fn f39_waiters_of_several_processes_get_the_lock_one_after_the_other() {
    let cluster = Cluster::start(3).await;
    let holder = Redlock::connect(cluster.urls()).await.expect("all up");
    let operator = Redlock::connect(cluster.urls()).await.expect("all up");
    let guard = holder.lock(KEY).ttl(LONG).await.expect("free");
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let waiter = Redlock::connect(cluster.urls()).await.expect("all up");
        waiting.spawn(async move {
            let guard = waiter.lock(KEY).ttl(LONG).wait(LONG).await;
            guard.expect("a lock").release().await.expect("released");
        });
    }
    tests::eventually(SOON, async || {
        let list = cluster.node(0).keys().await;
        let list = list.into_iter().find(|key| key.ends_with("waiters"));
        let mut count = redis::cmd("ZCARD");
        count.arg(list.unwrap_or_default());
        cluster.node(0).ask::<u64>(&count).await == 3
    })
    .await;
    // A waiter that has asked only one node makes one more attempt, and relies on notifications from then on.
    sleep(Duration::from_secs(2)).await;
    operator.force_release(KEY).await.expect("taken");
    let all = timeout(SOON, waiting.join_all()).await;
    all.expect("long before the ttl");
    drop(guard);
}

/// A holder in the same client notices the loss, and the next waiter gets the lock.
#[tokio::test]
async fn f39_a_holder_in_this_process_learns_of_it_at_once() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("all up");
    let guard = redlock.lock(KEY).ttl(LONG).await.expect("free");
    let next = {
        let redlock = redlock.clone();
        tokio::spawn(async move { redlock.lock(KEY).ttl(LONG).wait(LONG).await })
    };
    sleep(Duration::from_millis(50)).await;
    redlock.force_release(KEY).await.expect("taken");
    assert!(guard.is_lost());
    let error = guard.release().await.expect_err("lost");
    assert!(error.is_lost(), "{error}");
    assert!(error.to_string().contains("force"), "{error}");
    let next = timeout(SOON, next).await.expect("long before the ttl");
    next.expect("no panic")
        .expect("a lock")
        .release()
        .await
        .expect("released");
}

#[tokio::test]
async fn f39_a_cool_down_is_seen_and_ended() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.expect("all up");
    let guard = redlock.lock(KEY).await.expect("free");
    let held = redlock.holder(KEY).await.expect("up").expect("held");
    assert!(!held.is_cool_down());
    guard.cool_down(LONG).await.expect("cooling down");
    let window = redlock.holder(KEY).await.expect("up").expect("busy");
    assert!(window.is_cool_down());
    redlock.force_release(KEY).await.expect("taken");
    let turn = redlock.try_lock(KEY).await.expect("up");
    turn.expect("free").release().await.expect("released");
}
