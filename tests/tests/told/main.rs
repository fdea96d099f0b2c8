//! What a holder was told is kept, also where an extension finds that the lock is lost.

use std::time::Duration;

use redlock::Redlock;
use tests::Cluster;

const KEY: &str = "k";
const TTL: Duration = Duration::from_secs(5);

#[tokio::test]
async fn nobody_else_is_let_in_before_the_validity_told_is_over() {
    let cluster = Cluster::start(5).await;
    let ours = Redlock::connect(cluster.urls()).await.expect("nodes");
    let other = Redlock::connect(cluster.urls()).await.expect("nodes");
    // Granted by three of five, as after split votes; then one of the three forgets.
    for node in &cluster.nodes()[3..] {
        let () = node
            .ask(redis::cmd("SET").arg(KEY).arg("another").arg("NX").arg("PX").arg(60_000))
            .await;
    }
    let guard = ours.lock(KEY).ttl(TTL).no_wait().await.expect("three of five");
    for node in &cluster.nodes()[3..] {
        let () = node.ask(redis::cmd("DEL").arg(KEY)).await;
    }
    let told = tokio::time::Instant::now() + guard.remaining();
    cluster.node(0).restart_empty().await;
    tests::eventually(Duration::from_secs(5), async || {
        other.health().await.iter().all(|node| !matches!(node.state, redlock::NodeState::Down { .. }))
    })
    .await;
    tests::eventually(Duration::from_secs(5), async || guard.extend().await.is_err_and(|e| e.is_lost())).await;
    println!("lost, with {:?} left of what was told", told - tokio::time::Instant::now());
    let next = other.lock(KEY).ttl(TTL).wait(TTL * 3).await.expect("free at last");
    let early = told.saturating_duration_since(tokio::time::Instant::now());
    assert!(early.is_zero(), "another holds it {early:?} before the end of the validity told; token {}", next.token());
}
