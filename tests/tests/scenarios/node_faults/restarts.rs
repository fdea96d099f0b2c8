//! N1: a node restarts and has forgotten the locks that it granted.

use std::time::Duration;

use redlock::{Guard, NodeState, Redlock, RestartGuard};
use tests::proxy::Proxy;
use tests::{Cluster, eventually};
use tokio::time::sleep;

use crate::support::{BOUND, KEY, LONG, SOON, connect, through};

const MAX_TTL: Duration = Duration::from_secs(2);

const SKEW: Duration = Duration::from_millis(500);

/// A holds three of five nodes, one of the three restarts empty, and B, which knows all five, requests the lock.
async fn a_holds_three_and_one_of_them_forgets(guard: RestartGuard) -> (Cluster, Guard, Redlock) {
    let cluster = Cluster::start(5).await;
    let proxies = Proxy::before_all(&cluster).await;
    proxies[3].refuse(true);
    proxies[4].refuse(true);
    let a = through(&proxies)
        .max_ttl(MAX_TTL)
        .ttl(MAX_TTL)
        .connect()
        .await
        .expect("three of five");
    let b = Redlock::builder()
        .nodes(cluster.urls())
        .ttl(MAX_TTL)
        .max_ttl(MAX_TTL)
        .clock_skew(SKEW)
        .restart_guard(guard)
        .connect()
        .await
        .expect("all five");
    let held = a.lock(KEY).await.expect("three of five");
    assert_eq!(cluster.locked_on(KEY).await, [0, 1, 2]);
    cluster.node(2).restart_empty().await;
    (cluster, held, b)
}

#[tokio::test]
async fn n1_a_node_that_restarted_empty_does_not_vote() {
    let (cluster, held, b) = a_holds_three_and_one_of_them_forgets(RestartGuard::Observed).await;
    let mut asked = 0;
    loop {
        let tried = b.try_lock(KEY).await;
        let known_lost = held.is_lost();
        if let Ok(Some(second)) = &tried {
            assert!(known_lost, "{second:?} beside {held:?}");
            break;
        }
        asked += 1;
        sleep(Duration::from_millis(20)).await;
        assert!(asked < 1000, "never granted again");
    }
    assert!(asked > 10, "B asked only {asked} times while A was valid");

    // After the guard time the node is a full member again: with two others down, its vote decides.
    cluster.node(0).kill();
    cluster.node(1).kill();
    let guard = b
        .lock(KEY)
        .wait(MAX_TTL + SKEW + SOON)
        .await
        .expect("three of five, one of them restarted");
    assert!(cluster.locked_on(KEY).await.contains(&2));
    guard.release().await.expect("released");
}

/// Proof that the guard is needed: without it there are two holders.
#[tokio::test]
async fn n1_without_the_guard_there_are_two_holders() {
    let (_cluster, held, b) = a_holds_three_and_one_of_them_forgets(RestartGuard::Off).await;
    let mut second = None;
    while second.is_none() && !held.is_lost() {
        second = b.try_lock(KEY).await.unwrap_or_default();
    }
    assert!(
        second.is_some() && !held.is_lost(),
        "no violation: does this test still restart the right node?"
    );
}

/// A client that did not see the restart, but sees that the node is much younger than the others.
#[tokio::test]
async fn n1_a_client_that_connects_later() {
    let cluster = Cluster::start(5).await;
    // The difference in age up to which a node is trusted; `uptime_in_seconds` rounds.
    eventually(BOUND, async || {
        cluster.node(0).info("server", "uptime_in_seconds").await >= 8
    })
    .await;
    let proxies = Proxy::before_all(&cluster).await;
    proxies[3].refuse(true);
    proxies[4].refuse(true);
    let a = through(&proxies).connect().await.expect("three of five");
    let held = a.lock(KEY).ttl(LONG).await.expect("three of five");
    cluster.node(2).restart_empty().await;
    for _ in 0..5 {
        let b = connect(&cluster).await;
        assert!(
            b.lock(KEY).no_wait().await.is_err(),
            "a second holder beside {held:?}"
        );
        let health = b.health().await;
        assert!(
            matches!(health[2].state, NodeState::Quarantined { .. }),
            "{health:?}"
        );
    }
    assert!(!held.is_lost());
}
