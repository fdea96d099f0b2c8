//! Kinds of lock beside the exclusive one, on real nodes and through the public API.

mod election;
mod fence;
mod permits;
mod postgres;
mod readers;
mod rwlock;
mod semaphore;
mod sides;
mod surfaces;
mod ticket;

use redlock::Redlock;
use std::time::Duration;
use tests::Cluster;

/// For operations that take milliseconds on an idle machine.
const SOON: Duration = Duration::from_secs(20);

async fn client(cluster: &Cluster) -> Redlock {
    Redlock::connect(cluster.urls())
        .await
        .expect("all nodes answer")
}
