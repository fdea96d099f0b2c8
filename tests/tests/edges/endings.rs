//! Holds that end in two ways at once.

use std::{future::IntoFuture as _, time::Duration};

use futures_util::FutureExt as _;
use redlock::{ErrorKind, Ticket};
use tests::{World, within};

use crate::{MINUTE, SOON};

#[tokio::test(start_paused = true)]
async fn a_cool_down_does_not_shorten_at_least() {
    let world = World::new().await;
    let guard = world.locks.lock("nightly").at_least(MINUTE).await;
    let cooled = guard.expect("free").cool_down(Duration::from_secs(1)).await;
    cooled.expect("three nodes");
    let error = world.elsewhere.lock("nightly").no_wait().await;
    let error = error.expect_err("the minute is not over");
    assert!(error.is_cooling_down(), "{error}");
    assert!(error.retry_after() > Some(MINUTE / 2), "{error}");
}

#[tokio::test(start_paused = true)]
async fn at_least_does_not_shorten_a_cool_down() {
    let world = World::new().await;
    let guard = world.locks.lock("nightly").at_least(Duration::from_secs(1));
    let cooled = guard.await.expect("free").cool_down(MINUTE).await;
    cooled.expect("three nodes");
    let error = world.elsewhere.lock("nightly").no_wait().await;
    let left = error.expect_err("the minute is not over").retry_after();
    assert!(left > Some(MINUTE / 2), "{left:?}");
}

/// No work was done, so the window has no purpose.
#[tokio::test(start_paused = true)]
async fn a_lock_that_is_handed_over_to_a_request_that_was_dropped_opens_no_window() {
    let world = World::new().await;
    let first = world.locks.lock("nightly").await.expect("free");
    let mut second = world.locks.lock("nightly").into_future();
    let mut third = world.locks.lock("nightly").at_least(MINUTE).into_future();
    assert!((&mut second).now_or_never().is_none(), "it waits");
    assert!((&mut third).now_or_never().is_none(), "it waits");
    first.release().await.expect("three nodes");
    // This grant has a token for the third waiter.
    let second = second.await.expect("free");
    second.release().await.expect("three nodes");
    assert!(world.is_held("nightly"), "it was handed over");
    drop(third);
    world.free("nightly").await;
}

#[tokio::test]
async fn an_operator_takes_an_adopted_lock_from_this_very_client() {
    let world = World::new().await;
    let guard = world.elsewhere.lock("nightly").ttl(MINUTE).await;
    let ticket = guard.expect("free").detach().expect("it is held");
    let adopted = world.locks.adopt(&ticket).await.expect("a ticket");
    let forced = world.locks.force_release("nightly").await;
    forced.expect("three nodes");
    assert!(adopted.is_lost());
}

#[tokio::test]
async fn a_waiter_behind_an_adopted_lock_goes_on_when_it_is_released() {
    let world = World::new().await;
    let guard = world.elsewhere.lock("nightly").ttl(MINUTE).await;
    let ticket = guard.expect("free").detach().expect("it is held");
    let adopted = world.locks.adopt(&ticket).await.expect("a ticket");
    let mut next = world.locks.lock("nightly").wait(MINUTE).into_future();
    assert!((&mut next).now_or_never().is_none(), "it waits");
    let token = adopted.token();
    adopted.release().await.expect("three nodes");
    let next = within(SOON, next).await.expect("free");
    assert!(next.token() > token);
}

#[tokio::test]
async fn a_ticket_equals_the_one_that_is_read_from_its_text() {
    let world = World::new().await;
    let ttl = Duration::from_micros(12_345_678);
    let guard = world.locks.lock("nightly").ttl(ttl).await.expect("free");
    let ticket = guard.detach().expect("it is held");
    let read: Ticket = ticket.to_string().parse().expect("its text");
    assert_eq!(read, ticket);
    assert_eq!(read.ttl(), ticket.ttl());
    let adopted = world.elsewhere.adopt(&read).await.expect("a ticket");
    adopted.release().await.expect("three nodes");
    let again = world.elsewhere.adopt(&ticket).await.expect_err("once");
    assert_eq!(again.kind(), ErrorKind::TicketOver);
}

/// The store of the inner body would get a token that it cannot check.
#[tokio::test]
async fn f27_a_lock_without_a_token_is_not_joined_with_fencing() {
    let world = World::new().await;
    let join = || world.locks.lock("nightly").reentrant(true);
    let unfenced = world.locks.lock("nightly").fencing(false);
    let (plain, fenced) = unfenced
        .run(async |_| (join().await.is_ok(), join().fencing(true).await))
        .await
        .expect("free");
    assert!(plain);
    let error = fenced.expect_err("no token");
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("`fencing(true)`"), "{error}");
    let outer = world
        .locks
        .lock("nightly")
        .run(async |_| join().fencing(true).await);
    let joined = outer.await.expect("free").expect("its own");
    assert!(joined.token().get() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_joined_lock_is_not_detached_and_its_owner_keeps_it() {
    let world = World::new().await;
    let owner = world.locks.lock("nightly").reentrant(true).await;
    let owner = owner.expect("free");
    let scope = owner.held();
    let error = scope.scope(async {
        let joined = world.locks.lock("nightly").reentrant(true).await;
        joined.expect("its own").detach().expect_err("not its own")
    });
    let error = error.await;
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    assert!(error.to_string().contains("reentrant"), "{error}");
    assert!(!owner.is_lost());
    let other = world.elsewhere.lock("nightly").no_wait().await;
    assert!(other.expect_err("held").is_busy());
    let ticket = owner.detach().expect("it is the first");
    let adopted = world.elsewhere.adopt(&ticket).await;
    assert!(!adopted.expect("a ticket").is_lost());
}
