//! The validity of a holder is kept: no other client gets the lock before, whatever happens to an extension.

use std::time::Duration;

use redlock::{NodeState, Redlock, RestartGuard};
use tests::{Cluster, eventually};
use tokio::time::Instant;

const KEY: &str = "invoice:42";
const TTL: Duration = Duration::from_secs(3);
const SOON: Duration = Duration::from_secs(10);

async fn connect(cluster: &Cluster, guard: RestartGuard) -> Redlock {
    let builder = Redlock::builder()
        .nodes(cluster.urls())
        .ttl(TTL)
        .max_ttl(TTL);
    builder
        .restart_guard(guard)
        .connect()
        .await
        .expect("a quorum of nodes")
}

/// Granted by three of five; one of the three forgets; another client fails to acquire it, which leaves tombstones on the
/// three nodes that do not hold the lock. One of those three has no vote, so the lock is not gone.
async fn a_restart_and_a_rival_do_not_take_the_lock(guard: RestartGuard) {
    let cluster = Cluster::start(5).await;
    let (ours, rival) = (
        connect(&cluster, guard).await,
        connect(&cluster, guard).await,
    );
    ours.trust_nodes().await.expect("nodes");
    let others = &cluster.nodes()[3..];
    for node in others {
        let set = redis::cmd("SET")
            .arg(KEY)
            .arg("another")
            .arg("PX")
            .arg(60_000)
            .to_owned();
        let () = node.ask(&set).await;
    }
    let held = ours
        .lock(KEY)
        .ttl(TTL)
        .no_wait()
        .await
        .expect("three of five");
    for node in others {
        let () = node.ask(redis::cmd("DEL").arg(KEY)).await;
    }
    cluster.node(0).restart_empty().await;
    for client in [&ours, &rival] {
        eventually(SOON, async || {
            let health = client.health().await;
            health
                .iter()
                .all(|node| !matches!(node.state, NodeState::Down { .. }))
        })
        .await;
    }

    let valid_until = Instant::now() + held.remaining();
    let refused = rival.lock(KEY).no_wait().await;
    refused.expect_err("two of the five hold it, and one has no vote");
    // Two say yes, two say gone, and one has no vote.
    let undecided = held.extend().await.expect_err("two yes are no majority");
    assert!(undecided.is_no_quorum(), "{undecided}");
    assert!(!held.is_lost());

    let next = rival
        .lock(KEY)
        .ttl(TTL)
        .wait(TTL * 3)
        .await
        .expect("free at last");
    let early = valid_until.saturating_duration_since(Instant::now());
    assert!(
        early.is_zero(),
        "{} {early:?} before the end of the validity",
        next.key()
    );
}

#[tokio::test]
async fn by_the_default_guard() {
    a_restart_and_a_rival_do_not_take_the_lock(RestartGuard::Observed).await;
}

#[tokio::test]
async fn by_the_strict_guard() {
    a_restart_and_a_rival_do_not_take_the_lock(RestartGuard::Strict).await;
}
