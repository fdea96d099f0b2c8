//! Futures that are dropped at each of their awaits: nothing is left on the nodes.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    task::Poll,
};

use futures_util::FutureExt as _;
use redlock::Redlock;
use tests::{Cluster, World, eventually};

use crate::{MINUTE, SOON};

/// More polls than any of these futures needs to be granted everything.
const POLLS: usize = 24;
const KEYS: [&str; 3] = ["a", "b", "c"];

/// Polls the future so often, and lets the connections work in between. Dropped at the end.
async fn polled(times: usize, future: impl Future) {
    let mut future = pin!(future);
    for _ in 0..times {
        if future.as_mut().now_or_never().is_some() {
            return;
        }
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }
}

/// Whether another process can lock everything.
async fn is_free(elsewhere: &Redlock) -> bool {
    let mut free = true;
    for key in KEYS {
        let sides = elsewhere.rwlock(key);
        free &= matches!(elsewhere.try_lock(key).await, Ok(Some(_)))
            && matches!(sides.try_write().await, Ok(Some(_)));
    }
    free && matches!(elsewhere.semaphore("s", 3).available().await, Ok(3))
}

#[tokio::test]
async fn whatever_is_dropped_at_whichever_await_leaves_nothing() {
    let world = World::new().await;
    let (locks, permits) = (&world.locks, world.locks.semaphore("s", 3));
    for times in 0..POLLS {
        let all = async || {
            let guards = locks.lock_all(KEYS).await;
            guards.expect("free").release().await
        };
        polled(times, all()).await;
        let all = locks.lock_all(KEYS);
        polled(times, all.run(async |_| pending::<()>().await)).await;
        polled(times, async {
            permits.acquire_many(2).await?.release().await
        })
        .await;
        let permit = permits.acquire();
        polled(times, permit.run(async |_| pending::<()>().await)).await;
        polled(times, locks.lock("b").run(async |_| pending::<()>().await)).await;
        polled(times, async {
            locks.rwlock("c").read().await?.release().await
        })
        .await;
        polled(times, async {
            locks.rwlock("c").write().await?.release().await
        })
        .await;
        polled(times, async {
            locks.election("a").campaign().await?.resign().await
        })
        .await;
        eventually(SOON, async || is_free(&world.elsewhere).await).await;
    }
}

/// Those that wait are behind another process.
#[tokio::test]
async fn whoever_stops_waiting_at_whichever_await_keeps_nobody_out() {
    let world = World::new().await;
    let side = |key: &'static str| world.locks.rwlock(key);
    for times in 0..POLLS {
        let read = world.elsewhere.rwlock("a").read().await.expect("free");
        let written = world.elsewhere.rwlock("b").write().await.expect("free");
        let mut all = Vec::new();
        for _ in 0..2 {
            all.push(
                world
                    .elsewhere
                    .semaphore("s", 2)
                    .acquire()
                    .await
                    .expect("free"),
            );
        }
        polled(times, async { side("a").write().await }).await;
        polled(times, async { side("b").write().await }).await;
        polled(times, async { side("b").read().await }).await;
        polled(times, async {
            world.locks.semaphore("s", 2).acquire().await
        })
        .await;
        // No intent is left that would keep readers out beside the one that reads.
        eventually(SOON, async || {
            let reads = world.locks.rwlock("a").try_read().await;
            reads.expect("three nodes").is_some()
        })
        .await;
        drop((read, written, all));
        eventually(SOON, async || {
            let sides = [side("a").try_write().await, side("b").try_write().await];
            let free = world.locks.semaphore("s", 2).available().await;
            sides.iter().all(|side| matches!(side, Ok(Some(_)))) && matches!(free, Ok(2))
        })
        .await;
    }
}

/// The nodes may grant a permit before they have said which ones are free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_for_a_permit_that_is_dropped_while_the_nodes_are_asked_which_are_free_leaves_none()
 {
    let cluster = Cluster::start(3).await;
    let (locks, elsewhere) = (
        Redlock::connect(cluster.urls()).await.expect("three nodes"),
        Redlock::connect(cluster.urls()).await.expect("three nodes"),
    );
    let permits = locks.semaphore("s", 3);
    for time in 0..400 {
        let mut request = permits.acquire().ttl(MINUTE).into_future();
        // Each poll is by a wake-up, so by a reply of one of the nodes.
        for _ in 0..time % 8 {
            if poll_once_woken(&mut request).await {
                break;
            }
        }
    }
    let all = elsewhere.semaphore("s", 3).acquire_many(3).wait(SOON).await;
    assert!(all.is_ok(), "{all:?}");
}

/// Polls the future, and returns when it wakes the task. `true` if it has ended.
async fn poll_once_woken<F: Future + Unpin>(future: &mut F) -> bool {
    let mut polled = false;
    poll_fn(|cx| {
        if polled {
            return Poll::Ready(false);
        }
        polled = true;
        future.poll_unpin(cx).map(|_| true)
    })
    .await
}
