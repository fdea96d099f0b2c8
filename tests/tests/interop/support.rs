//! What the tests share: the key, times with a meaning, a look at all nodes.

use std::time::Duration;

use redlock::{Guard, Redlock};
use tests::{Cluster, eventually};

/// `pottery` writes under this prefix whatever it is given, so everybody else does too.
pub(crate) const KEY: &str = "redlock:invoice:42";

/// A ttl that does not end within a test.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A ttl that does.
pub(crate) const SHORT: Duration = Duration::from_millis(600);

/// A bound for what takes a few round trips, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A ttl that is kept alive: long enough that a busy machine finds the time.
pub(crate) const KEPT: Duration = Duration::from_secs(3);

/// A client of ours. The plain form writes nothing but the key.
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

/// Waits until one lock stands on a majority, and nothing else on the rest; returns what stands where.
///
/// Not on all nodes: keys expire at each node in its own time, so whoever comes first may find one still taken.
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

/// Whether whoever stood somewhere still does; where nobody did, the same may have arrived since.
pub(crate) async fn still_stands(cluster: &Cluster, before: &[Option<String>]) -> bool {
    let now = values(cluster).await;
    let holder = before.iter().flatten().next();
    before
        .iter()
        .zip(&now)
        .all(|(before, now)| now == before || (before.is_none() && now.as_ref() == holder))
}

/// Whether what stands is the lock of `guard`.
pub(crate) fn is_ours(values: &[Option<String>], guard: &Guard) -> bool {
    values.iter().flatten().all(|value| value == guard.owner())
}
