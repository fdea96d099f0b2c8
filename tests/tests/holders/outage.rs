//! Looking at locks while a node is down: the others are waited for.

use std::time::Duration;

use redlock::Redlock;
use tests::{
    Cluster,
    proxy::{Direction, Flow, Proxy},
};

use crate::SOON;

/// The node that is down answers first: its refusal says nothing about holders.
#[tokio::test]
async fn a_free_lock_is_seen_although_a_node_is_down_and_another_is_slow() {
    let cluster = Cluster::start(3).await;
    let slow = Proxy::before(cluster.node(2)).await;
    let urls = [cluster.node(0).url(), cluster.node(1).url(), slow.url()];
    let builder = Redlock::builder().nodes(urls).node_timeout(SOON);
    let redlock = builder.connect().await.expect("three nodes");
    cluster.node(0).kill();
    slow.set(Direction::ToClient, Flow::delay(Duration::from_millis(100)));

    let (catalog, imports) = (redlock.rwlock("catalog"), redlock.semaphore("imports", 2));
    for _ in 0..3 {
        let held = redlock.is_locked("invoice").await;
        assert!(!held.expect("two of three"));
        assert!(
            redlock
                .holder("invoice")
                .await
                .expect("two of three")
                .is_none()
        );
        assert!(catalog.holders().await.expect("two of three").is_free());
        assert!(imports.holders().await.expect("two of three").is_empty());
        assert_eq!(redlock.permits("none").await.expect("two of three"), None);
    }
}
