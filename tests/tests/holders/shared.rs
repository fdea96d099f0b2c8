//! Readers of one process share a hold: without a round trip, and for a short time.

use std::time::Duration;

use futures_util::{FutureExt as _, future::try_join_all};
use redlock::memory::Nodes;
use tests::Cluster;

use crate::{LONG, in_memory, labelled};

/// In paused time the hold stays young until time is advanced.
#[tokio::test(start_paused = true)]
async fn further_readers_need_no_node() {
    let nodes = Nodes::seeded(3, 1);
    let redlock = in_memory(&nodes).await;
    let catalog = redlock.rwlock("catalog");
    let first = catalog.read().ttl(LONG).await.expect("free");
    for node in nodes.nodes() {
        node.hang();
    }
    let mut readers = Vec::new();
    for _ in 0..32 {
        // Granted at the first poll, while no node answers.
        let reader = catalog.read().ttl(LONG).into_future().now_or_never();
        readers.push(reader.expect("no round trip").expect("no writer"));
    }
    assert!(readers.iter().all(|reader| reader.owner() == first.owner()));
    assert!(readers.iter().all(|reader| reader.token() == first.token()));
    // Later ones have to ask, since a writer may wait.
    tokio::time::advance(Duration::from_millis(100)).await;
    let late = catalog.read().ttl(LONG).into_future().now_or_never();
    assert!(late.is_none(), "it asked nobody");
    // So have those with other options.
    for node in nodes.nodes() {
        node.resume();
    }
    let other = catalog.read().ttl(LONG / 2).await.expect("no writer");
    assert_ne!(other.owner(), first.owner());
}

/// On servers, by their own count.
#[tokio::test]
async fn many_readers_at_once_cost_a_few_requests() {
    let cluster = Cluster::start(3).await;
    let redlock = labelled(&cluster, "api-7").await;
    let catalog = redlock.rwlock("catalog");
    let calls = async || cluster.node(0).calls(&["evalsha", "eval"]).await;
    // The server learns the scripts.
    let warm = catalog.read().await.expect("free");
    warm.release().await.expect("three nodes");
    let before = calls().await;
    let readers = (0..200).map(|_| catalog.read().into_future());
    let readers = try_join_all(readers).await.expect("no writer");
    let asked = calls().await - before;
    // One, and one more for every 100 ms that this machine needed for 200 readers.
    assert!(
        asked < 100,
        "{asked} requests for {} readers",
        readers.len()
    );
    assert!(asked > 0);
}
