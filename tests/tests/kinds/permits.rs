//! Semaphores: one permit says nothing about the others.

use std::{
    mem::ManuallyDrop,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use redlock::{ErrorKind, Redlock, memory};
use tests::{Cluster, within};

use crate::{SOON, client};

#[tokio::test]
async fn an_expired_permit_is_acquired_although_the_others_are_held_for_long() {
    let cluster = Cluster::start(3).await;
    let [holder, crashed, waiter] = [
        client(&cluster).await,
        client(&cluster).await,
        client(&cluster).await,
    ];
    let most = holder.semaphore("export", 16).acquire_many(15);
    let _most = within(
        SOON,
        most.ttl(Duration::from_secs(60)).wait(SOON).into_future(),
    )
    .await
    .expect("15 permits");
    let last = crashed.semaphore("export", 16).acquire();
    let last = last
        .ttl(Duration::from_secs(2))
        .keep_alive(false)
        .wait(SOON);
    // No notification announces its end.
    let _last = ManuallyDrop::new(last.await.expect("the last permit"));
    let wait = Duration::from_secs(120);
    let permit = waiter.semaphore("export", 16).acquire().wait(wait);
    let permit = within(Duration::from_secs(18), permit.into_future()).await;
    permit
        .expect("the one that has expired")
        .release()
        .await
        .expect("three nodes");
}

#[tokio::test]
async fn a_fence_that_is_far_ahead_counts_for_its_own_permit_only() {
    const FAR_AHEAD: u64 = 8_000_000_000_000_000;
    let cluster = Cluster::start(3).await;
    for node in cluster.nodes() {
        let mut set = redis::cmd("SET");
        node.ask::<()>(set.arg("{export}{}:permit:0{}:fence").arg(FAR_AHEAD))
            .await;
    }
    let redlock = client(&cluster).await;
    let exports = redlock.semaphore("export", 2);
    let both = [
        exports.acquire().wait(SOON).await.expect("a permit"),
        exports.acquire().wait(SOON).await.expect("the other one"),
    ];
    let [first, second] = both;
    let (ahead, other) = match first.token().get() > FAR_AHEAD {
        true => (first, second),
        false => (second, first),
    };
    assert!(ahead.token().get() > FAR_AHEAD, "{}", ahead.token());
    other.release().await.expect("three nodes");
    // About every second request asks for the permit with that fence first.
    for _ in 0..20 {
        let permit = exports.acquire().wait(SOON).await.expect("the other one");
        assert!(permit.token().get() < FAR_AHEAD, "{}", permit.token());
        permit.release().await.expect("three nodes");
    }
}

#[tokio::test]
async fn more_permits_than_a_semaphore_can_have_are_refused() {
    let redlock = Redlock::connect(memory::Nodes::new(3).nodes())
        .await
        .expect("three nodes");
    for (permits, count) in [(u32::MAX, u32::MAX), (0, 1), (1_001, 1_001)] {
        let many = redlock.semaphore("export", permits).acquire_many(count);
        let error = many.await.expect_err("too many");
        let text = error.to_string();
        assert!(
            error.is_invalid() && text.contains("1 to 1000 permits"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_permit_is_not_handed_over_to_a_request_that_names_another_number_of_permits() {
    let nodes = memory::Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let (one, two) = (
        redlock.semaphore("export", 1),
        redlock.semaphore("export", 2),
    );
    let held = one.acquire().await.expect("free");
    let request =
        |semaphore: &redlock::Semaphore| Box::pin(semaphore.acquire().wait(SOON).into_future());
    let (mut first, mut second, mut other) = (request(&one), request(&one), request(&two));
    for waiting in [&mut first, &mut second, &mut other] {
        assert!(futures_util::poll!(waiting).is_pending());
    }
    held.release().await.expect("three nodes");
    // It was granted while others waited, so it can be handed over for a short time. Then the second waiter has the turn to
    // ask the nodes, and the next one in the queue is the waiter with another number.
    let permit = within(SOON, first).await.expect("the only permit");
    let second = tokio::spawn(second);
    permit.release().await.expect("three nodes");
    let error = within(SOON, other).await.expect_err("one permit, not two");
    assert_eq!(error.kind(), ErrorKind::OtherPermits, "{error}");
    let permit = within(SOON, second).await.expect("no panic");
    let permit = permit.expect("the only permit");
    permit.release().await.expect("three nodes");
}

#[tokio::test]
async fn a_process_that_requests_again_at_once_yields_to_a_waiting_process() {
    const TURNS: usize = 40;
    let cluster = Cluster::start(3).await;
    let [busy, other] = [client(&cluster).await, client(&cluster).await];
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    let busy = tokio::spawn(async move {
        let export = busy.semaphore("export", 1);
        loop {
            let permit = export.acquire().wait(SOON).await.expect("its turn");
            tokio::time::sleep(Duration::from_millis(2)).await;
            counted.fetch_add(1, SeqCst);
            permit.release().await.expect("three nodes");
        }
    });
    let export = other.semaphore("export", 1);
    for _ in 0..TURNS {
        let permit = export.acquire().wait(SOON).await.expect("its turn");
        permit.release().await.expect("three nodes");
    }
    busy.abort();
    let turns = turns.load(SeqCst);
    assert!(
        turns < 10 * TURNS,
        "{turns} turns while another process had {TURNS}"
    );
}
