//! Releases arrive, whatever happens to the node, the connection, the runtime or the load.

mod errors;
mod late;
mod load;
mod lost;
mod runtimes;
mod unknown_scripts;

use std::time::Duration;

use redlock::Redlock;
use tests::{Cluster, Node, eventually};

/// A ttl that does not expire within a test: a key that is gone earlier was released.
const LONG: Duration = Duration::from_secs(60);
/// A bound for a few round trips, on a busy machine.
const SOON: Duration = Duration::from_secs(20);
/// A bound for longer operations.
const BOUND: Duration = Duration::from_secs(120);

/// A client whose scripts the nodes know.
async fn connect(cluster: &Cluster) -> Redlock {
    let redlock = Redlock::connect(cluster.urls()).await;
    let redlock = redlock.expect("a quorum of nodes");
    let guard = redlock.lock("warm-up").ttl(LONG).await.expect("free");
    guard.extend().await.expect("held");
    guard.release().await.expect("released");
    for node in cluster.nodes() {
        eventually(SOON, async || !node.exists("warm-up").await).await;
    }
    redlock
}

/// The locks named `k:…` that a node holds.
async fn locks(node: &Node) -> Vec<String> {
    node.ask(redis::cmd("KEYS").arg("k:*")).await
}

/// How many of them all nodes hold together.
async fn locks_on(cluster: &Cluster) -> usize {
    let mut count = 0;
    for node in cluster.live() {
        count += locks(node).await.len();
    }
    count
}
