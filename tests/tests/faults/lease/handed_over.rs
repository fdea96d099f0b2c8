//! No guard without validity is ever returned, however late its task runs.

use std::{future::IntoFuture as _, thread, time::Duration};

use tests::{Cluster, Logs, eventually, within};
use tracing::level_filters::LevelFilter;

use super::{BOUND, client, elsewhere, handed_over};

/// A lease is handed over while half of it is left.
const TTL: Duration = Duration::from_secs(1);

#[tokio::test]
async fn f17_a_lease_that_is_handed_over_too_late_is_requested_again() {
    let cluster = Cluster::start(3).await;
    let here = client(&cluster).await;
    let urls = cluster.urls();
    let ask = || here.lock("late").ttl(TTL).wait(BOUND).into_future();
    let last = || {
        let asked = ask();
        tokio::spawn(async move {
            let guard = asked.await.unwrap();
            let left = guard.remaining();
            (guard, left)
        })
    };
    let late = handed_over(ask, last).await;
    // Another process gets the lock when the lease has run out, and has it for a while.
    let other = elsewhere(|| async move {
        let there = redlock::Redlock::connect(urls).await.unwrap();
        let lock = there.lock("late").ttl(Duration::from_secs(5)).wait(BOUND);
        let guard = lock.await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        guard.release().await.unwrap();
    });
    thread::sleep(TTL + TTL / 2);
    let (guard, left) = within(BOUND, late).await.unwrap();
    assert!(!left.is_zero(), "a guard with nothing left");
    let _ = guard.release().await;
    eventually(BOUND, async || other.try_recv().is_ok()).await;
}

#[tokio::test]
async fn f17_a_lease_that_is_handed_over_after_the_wait_is_not_granted() {
    let cluster = Cluster::start(3).await;
    let here = client(&cluster).await;
    let ask = || here.lock("late").ttl(TTL).wait(TTL).into_future();
    let last = || {
        let asked = ask();
        tokio::spawn(async move { asked.await.map(|guard| guard.remaining()) })
    };
    let late = handed_over(ask, last).await;
    thread::sleep(TTL + TTL / 2);
    match within(BOUND, late).await.unwrap() {
        Ok(left) => assert!(!left.is_zero(), "a guard with nothing left"),
        Err(error) => assert!(error.is_timed_out() || error.is_expired(), "{error}"),
    }
}

#[tokio::test]
async fn f17_several_locks_are_requested_again_if_one_was_lost_meanwhile() {
    let cluster = Cluster::start(3).await;
    let (here, there) = (client(&cluster).await, client(&cluster).await);
    let second = there.lock("b").await.unwrap();
    let all = here.lock_all(["a", "b"]).ttl(TTL).wait(BOUND);
    let all = tokio::spawn(all.into_future());
    eventually(BOUND, async || cluster.locked_on("a").await.len() == 3).await;
    let logs = Logs::capture(LevelFilter::WARN);
    there.force_release("a").await.unwrap();
    eventually(BOUND, async || !logs.lines_with("lock lost").is_empty()).await;
    second.release().await.unwrap();
    let guards = within(BOUND, all).await.unwrap().unwrap();
    assert!(!guards.is_lost() && !guards.remaining().is_zero());
    assert_eq!(cluster.locked_on("a").await.len(), 3);
}
