//! Who holds permits and both sides of read/write locks, how operators take them away, and several kinds held together.

mod outage;
mod permits;
mod refused;
mod several;
mod shared;
mod sides;
mod sides_late;

use std::time::Duration;

use redlock::{Error, Guard, Redlock, memory::Nodes};
use tests::Cluster;

/// For what takes milliseconds on a machine that has nothing else to do.
const SOON: Duration = Duration::from_secs(20);
/// A ttl that does not end within a test.
const LONG: Duration = Duration::from_secs(50);

async fn labelled(cluster: &Cluster, label: &str) -> Redlock {
    // The tests are not about slow nodes.
    let builder = Redlock::builder().nodes(cluster.urls()).node_timeout(SOON);
    let builder = builder.label(label).ttl(LONG);
    builder.connect().await.expect("three nodes")
}

async fn in_memory(nodes: &Nodes) -> Redlock {
    Redlock::connect(nodes.nodes()).await.expect("three nodes")
}

/// The holder learns that the lock was taken away: at once, or when it extends.
async fn is_taken(guard: &Guard) -> Error {
    let error = guard.extend().await.expect_err("taken away");
    assert!(error.is_lost() && guard.is_lost(), "{error}");
    error
}
