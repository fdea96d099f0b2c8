//! `max_hold` ends every hold, even if its guard is not polled.

use std::{future::IntoFuture as _, time::Duration};

use tests::{Cluster, eventually, within};

use super::{BOUND, client, handed_over, settle_down};

const MAX_HOLD: Duration = Duration::from_millis(300);
/// So long that it ends nothing.
const TTL: Duration = Duration::from_secs(50);

#[tokio::test]
async fn f18_a_guard_without_renewal_is_released_at_its_max_hold() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let request = redlock.lock("held").ttl(TTL).keep_alive(false);
    let guard = request.max_hold(MAX_HOLD).await.unwrap();
    eventually(BOUND, async || cluster.locked_on("held").await.is_empty()).await;
    assert!(guard.is_lost());
    assert!(guard.release().await.unwrap_err().is_lost());
}

#[tokio::test]
async fn f18_a_lease_that_was_handed_over_is_released_at_its_max_hold() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    for keep_alive in [true, false] {
        let ask = || {
            let request = redlock.lock("held").ttl(TTL).keep_alive(keep_alive);
            request.max_hold(MAX_HOLD).wait(BOUND).into_future()
        };
        // A lease is handed over only shortly after its grant, which a busy machine may miss.
        let mut handed_over = None;
        for _ in 0..200 {
            let first = ask().await.unwrap();
            let waiters = [(); 2].map(|()| tokio::spawn(ask()));
            settle_down().await;
            first.release().await.unwrap();
            let [second, third] = waiters;
            let second = within(BOUND, second).await.unwrap().unwrap();
            let owner = second.owner().to_owned();
            drop(second);
            let third = within(BOUND, third).await.unwrap().unwrap();
            if third.owner() == owner {
                handed_over = Some(third);
                break;
            }
        }
        let second = handed_over.expect("a turn that is handed over");
        eventually(BOUND, async || cluster.locked_on("held").await.is_empty()).await;
        assert!(second.is_lost());
    }
}

/// Earlier holds may be unlimited, or longer.
#[tokio::test]
async fn f18_a_later_hold_of_a_lease_may_be_shorter() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    for (keep_alive, before) in [
        (true, None),
        (false, None),
        (true, Some(TTL)),
        (false, Some(TTL)),
    ] {
        let ask = |most: Option<Duration>| {
            let request = redlock.lock("held").ttl(TTL).keep_alive(keep_alive);
            let request = match most {
                Some(most) => request.max_hold(most),
                None => request,
            };
            request.wait(BOUND).into_future()
        };
        let last = handed_over(|| ask(before), || tokio::spawn(ask(Some(MAX_HOLD)))).await;
        let last = within(BOUND, last).await.unwrap().unwrap();
        eventually(BOUND, async || cluster.locked_on("held").await.is_empty()).await;
        assert!(
            last.is_lost(),
            "keep_alive({keep_alive}), {before:?} before"
        );
    }
}

#[tokio::test]
async fn f18_several_locks_are_released_at_their_max_hold() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let request = redlock.lock_all(["a", "b"]).ttl(TTL).max_hold(MAX_HOLD);
    let guards = request.await.unwrap();
    for key in ["a", "b"] {
        eventually(BOUND, async || cluster.locked_on(key).await.is_empty()).await;
    }
    assert!(guards.is_lost());
}
