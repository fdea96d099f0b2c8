//! What the scenarios share: times with a meaning, clients, measuring.

use std::time::Duration;

use redlock::{Builder, Redlock};
use tests::proxy::Proxy;
use tests::{Cluster, Node, eventually};
use tokio::time::Instant;

/// A ttl that does not expire within a test: a key that is gone earlier was released.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A bound for a few round trips, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// A bound for longer operations.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

pub(crate) const KEY: &str = "invoice:42";

/// The key that stores the highest token of [`KEY`] on a node.
pub(crate) const FENCE: &str = "{invoice:42}{}:fence";

/// A client of its own, as in another process.
pub(crate) async fn connect(cluster: &Cluster) -> Redlock {
    Redlock::connect(cluster.urls())
        .await
        .expect("a quorum of nodes")
}

/// A client whose way to the nodes leads through `proxies`. Its node time-out leaves time to look.
pub(crate) fn through(proxies: &[Proxy]) -> Builder {
    Redlock::builder()
        .nodes(proxies.iter().map(Proxy::url))
        .node_timeout(Duration::from_secs(2))
}

/// Puts somebody else's lock on `key`, as another Redlock library does.
pub(crate) async fn held_by_another(node: &Node, key: &str) {
    let () = node
        .ask(
            redis::cmd("SET")
                .arg(key)
                .arg("somebody")
                .arg("NX")
                .arg("PX")
                .arg(60_000),
        )
        .await;
}

/// Waits until every node has worked through all that this client has sent before: a connection keeps the order.
pub(crate) async fn all_delivered(cluster: &Cluster, redlock: &Redlock) {
    const BARRIER: &str = "barrier";
    let all: Vec<usize> = (0..cluster.nodes().len()).collect();
    let guard = redlock
        .lock(BARRIER)
        .ttl(LONG)
        .wait(SOON)
        .await
        .expect("nobody else uses it");
    eventually(SOON, async || cluster.locked_on(BARRIER).await == all).await;
    guard.release().await.expect("released");
    eventually(SOON, async || cluster.locked_on(BARRIER).await.is_empty()).await;
}

/// The script calls that a node has served.
pub(crate) async fn evals(node: &Node) -> u64 {
    node.calls(&["eval", "evalsha", "fcall"]).await
}

/// How long it takes to acquire, of `n` times, sorted.
pub(crate) async fn acquire_times(redlock: &Redlock, n: usize) -> Vec<Duration> {
    let mut times = Vec::with_capacity(n);
    for _ in 0..n {
        let start = Instant::now();
        let guard = redlock.lock(KEY).ttl(LONG).no_wait().await.expect("free");
        times.push(start.elapsed());
        guard.release().await.expect("released");
    }
    times.sort();
    times
}

/// The value below which `percent` of the sorted values are.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}
