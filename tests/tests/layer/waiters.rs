//! The limit on requests that wait.

use redlock::WaiterLimit;
use redlock_tower::{Reason, RedlockLayer, key};
use tests::web::{Orders, SOON, all_free, locks, order, send, start};
use tokio_test::assert_pending;
use tower::ServiceExt as _;

#[tokio::test]
async fn requests_above_the_limit_of_a_key_are_429() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .wait(SOON)
        .max_waiters(&WaiterLimit::new(2, 100));
    let app = orders.route().layer(layer);

    let first = start(&app, order("ann"));
    orders.wait_entered(1).await;
    let mut waiting = Vec::new();
    let mut rejected = Vec::new();
    for _ in 0..5 {
        let mut next = start(&app, order("ann"));
        match tokio::time::timeout(std::time::Duration::from_millis(100), &mut next).await {
            Ok(answer) => rejected.push(answer.unwrap()),
            Err(_) => waiting.push(next),
        }
    }
    assert_eq!((waiting.len(), rejected.len()), (2, 3));
    for answer in rejected {
        assert_eq!((answer.status, answer.header("retry-after")), (429, "1"));
        assert_eq!(answer.reason(), Some(Reason::TooManyWaiters));
    }
    let other = start(&app, order("bob"));
    orders.wait_entered(2).await;
    orders.unblock(4);
    assert_eq!(first.await.unwrap().status, 201);
    assert_eq!(other.await.unwrap().status, 201);
    for request in waiting {
        assert_eq!(request.await.unwrap().status, 201);
    }
    all_free(&cluster).await;
}

#[tokio::test]
async fn the_total_limit_counts_only_requests_that_wait() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .wait(SOON)
        .max_waiters(&WaiterLimit::new(10, 1));
    let app = orders.route().layer(layer);
    let ann = start(&app, order("ann"));
    orders.wait_entered(1).await;
    let mut waits = tokio_test::task::spawn(app.clone().oneshot(order("ann")));
    assert_pending!(waits.poll());
    // Bob's key is free, so his first request does not wait. A second one would.
    let bob = start(&app, order("bob"));
    orders.wait_entered(2).await;
    assert_eq!(send(&app, order("bob")).await.status, 429);
    drop(waits);
    let again = start(&app, order("bob"));
    orders.unblock(3);
    for answer in [ann, bob, again] {
        assert_eq!(answer.await.unwrap().status, 201);
    }
    all_free(&cluster).await;
}
