//! What the tests share: the key, times with a meaning, and the values on all nodes.

use std::time::Duration;

use redlock::{Guard, Redlock};
use tests::{Cluster, eventually};

/// `pottery` puts every key under this prefix, so all others use it as well.
pub(crate) const KEY: &str = "redlock:invoice:42";

/// A ttl that does not expire within a test.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A ttl that expires within a test.
pub(crate) const SHORT: Duration = Duration::from_millis(600);

/// A bound for a few round trips, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A bound for many turns of all libraries.
pub(crate) const BOUND: Duration = Duration::from_secs(120);

/// A ttl that is renewed: long enough for a busy machine.
pub(crate) const KEPT: Duration = Duration::from_secs(3);

/// One of our clients. The plain form writes only the key.
pub(crate) async fn ours(cluster: &Cluster, fencing: bool) -> Redlock {
    Redlock::builder()
        .nodes(cluster.urls())
        .fencing(fencing)
        .connect()
        .await
        .expect("a quorum of nodes")
}

/// The value of the key on each node.
pub(crate) async fn values(cluster: &Cluster) -> Vec<Option<String>> {
    let mut values = Vec::new();
    for node in cluster.nodes() {
        values.push(node.get(KEY).await);
    }
    values
}

/// Waits until one lock is held on a majority and no other on the rest. Returns the value of each node.
///
/// Not on all nodes: keys expire at different times on different nodes, so a client may find one of them still held.
pub(crate) async fn stands(cluster: &Cluster) -> Vec<Option<String>> {
    eventually(SOON, async || {
        let values = values(cluster).await;
        let mut held = values.iter().flatten();
        let first = held.next();
        let others = held.clone().count();
        held.all(|value| Some(value) == first) && others + 1 > cluster.nodes().len() / 2
    })
    .await;
    values(cluster).await
}

/// Whether each node that held a value still holds it. A node without one may have got the same value since.
pub(crate) async fn still_stands(cluster: &Cluster, before: &[Option<String>]) -> bool {
    let now = values(cluster).await;
    let holder = before.iter().flatten().next();
    before
        .iter()
        .zip(&now)
        .all(|(before, now)| now == before || (before.is_none() && now.as_ref() == holder))
}

/// Whether the values are those of the lock of `guard`.
pub(crate) fn is_ours(values: &[Option<String>], guard: &Guard) -> bool {
    values.iter().flatten().all(|value| value == guard.owner())
}
