//! A11: an acquire that is dropped leaves nothing behind, at whichever await.

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use redlock::Redlock;
use tests::proxy::{Direction, Flow, Proxy};
use tests::{Cluster, eventually};
use tokio::time::timeout;

use crate::support::{KEY, LONG, SOON, all_delivered, connect, held_by_another, through};

/// Polls `future` at most `polls` times, each time after it was woken, and then drops it.
async fn polled<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // After the last poll it is dropped at once.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Drops at the first poll, at the second, and so on, until one completes. Returns how many polls that took.
async fn at_every_poll(cluster: &Cluster, redlock: &Redlock, rest: &[usize]) -> usize {
    for polls in 0..1000 {
        let acquire = redlock.lock(KEY).ttl(LONG).no_wait().into_future();
        let done = polled(acquire, polls).await;
        let finished = done.is_some();
        drop(done);
        all_delivered(cluster, redlock).await;
        assert_eq!(
            cluster.locked_on(KEY).await,
            rest,
            "dropped after {polls} polls"
        );
        if finished {
            return polls;
        }
    }
    panic!("it never finishes");
}

#[tokio::test]
async fn a11_dropped_at_every_poll() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let polls = at_every_poll(&cluster, &redlock, &[]).await;
    assert!(polls > 1, "there is an await point");

    // The same for a refused acquire, with a vote to be rolled back.
    held_by_another(cluster.node(0), KEY).await;
    held_by_another(cluster.node(1), KEY).await;
    assert!(at_every_poll(&cluster, &redlock, &[0, 1]).await > 1);
}

/// With slow nodes, it can be dropped anywhere between sending and the last reply.
#[tokio::test]
async fn a11_dropped_at_every_moment() {
    let cluster = Cluster::start(3).await;
    let proxies = Proxy::before_all(&cluster).await;
    for (proxy, ms) in proxies.iter().zip([4, 8, 12]) {
        proxy.set(Direction::ToServer, Flow::delay(Duration::from_millis(ms)));
        proxy.set(Direction::ToClient, Flow::delay(Duration::from_millis(ms)));
    }
    let redlock = through(&proxies).connect().await.expect("all up");
    let (mut dropped, mut finished) = (0, 0);
    for ms in 0..30 {
        let acquire = redlock.lock(KEY).ttl(LONG).no_wait().into_future();
        match timeout(Duration::from_millis(ms), acquire).await {
            Ok(guard) => {
                finished += 1;
                drop(guard.expect("free"));
            }
            Err(_) => dropped += 1,
        }
        all_delivered(&cluster, &redlock).await;
        assert!(
            cluster.locked_on(KEY).await.is_empty(),
            "dropped after {ms} ms"
        );
    }
    assert!(
        dropped > 3 && finished > 3,
        "{dropped} dropped, {finished} finished"
    );
}

/// A waiter that is dropped neither holds the lock nor keeps its place in the queue.
#[tokio::test]
async fn a11_a_waiter_is_dropped() {
    let cluster = Cluster::start(3).await;
    let redlock = connect(&cluster).await;
    let guard = redlock.lock(KEY).ttl(LONG).await.expect("free");
    for ms in [0, 1, 5, 20, 60] {
        let waiting = redlock.lock(KEY).ttl(LONG).wait(LONG).into_future();
        timeout(Duration::from_millis(ms), waiting)
            .await
            .expect_err("it is held");
    }
    guard.release().await.expect("released");
    eventually(SOON, async || cluster.locked_on(KEY).await.is_empty()).await;
    redlock
        .lock(KEY)
        .ttl(LONG)
        .no_wait()
        .await
        .expect("nobody is before us")
        .release()
        .await
        .expect("released");
}
