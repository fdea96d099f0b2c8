//! A limit on those who wait.

use super::support::{SOON, Shop, all_free, locks, order, send, start};
use redlock_tower::{Reason, RedlockLayer, Rejection, key};
use tokio_test::assert_pending;
use tower::ServiceExt as _;

#[tokio::test]
async fn beyond_the_limit_of_a_key_it_is_429_and_others_are_not_touched() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .wait(SOON)
        .max_waiters(2, 100);
    let app = shop.route().layer(layer);

    let first = start(&app, order("ann"));
    shop.wait_entered(1).await;
    let mut waiting = Vec::new();
    let mut refused = Vec::new();
    for _ in 0..5 {
        let mut next = start(&app, order("ann"));
        match tokio::time::timeout(std::time::Duration::from_millis(100), &mut next).await {
            Ok(answer) => refused.push(answer.unwrap()),
            Err(_) => waiting.push(next),
        }
    }
    assert_eq!((waiting.len(), refused.len()), (2, 3));
    for answer in refused {
        assert_eq!((answer.status, answer.header("retry-after")), (429, "1"));
        assert_eq!(
            answer.extensions.get::<Rejection>().unwrap().reason(),
            Reason::TooManyWaiters
        );
    }
    let other = start(&app, order("bob"));
    shop.wait_entered(2).await;
    shop.open(4);
    assert_eq!(first.await.unwrap().status, 201);
    assert_eq!(other.await.unwrap().status, 201);
    for request in waiting {
        assert_eq!(request.await.unwrap().status, 201);
    }
    all_free(&cluster).await;
}

#[tokio::test]
async fn the_limit_in_all_counts_those_who_wait_and_is_given_back() {
    let (cluster, redlock) = locks().await;
    let shop = Shop::closed();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .wait(SOON)
        .max_waiters(10, 1);
    let app = shop.route().layer(layer);
    let ann = start(&app, order("ann"));
    shop.wait_entered(1).await;
    let mut waits = tokio_test::task::spawn(app.clone().oneshot(order("ann")));
    assert_pending!(waits.poll());
    // Bob's key is free, so that he does not wait; a second request of his would.
    let bob = start(&app, order("bob"));
    shop.wait_entered(2).await;
    assert_eq!(send(&app, order("bob")).await.status, 429);
    drop(waits);
    let again = start(&app, order("bob"));
    shop.open(3);
    for answer in [ann, bob, again] {
        assert_eq!(answer.await.unwrap().status, 201);
    }
    all_free(&cluster).await;
}
