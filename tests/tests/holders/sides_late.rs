//! Commands about a read/write lock that arrive late, twice, or where a node refuses writes.

use std::time::Duration;

use redlock::memory::Nodes;
use tests::eventually;

use crate::{LONG, SOON, in_memory};

const READERS: &str = "{catalog}{}:rw:readers";
const WRITER: &str = "{catalog}{}:rw:writer";

fn has(nodes: &Nodes, key: &str) -> Vec<bool> {
    let nodes = nodes.nodes().into_iter();
    nodes
        .map(|node| node.keys().iter().any(|held| held == key))
        .collect()
}

/// The operator's command is still on its way to one node when the next holder is there.
#[tokio::test(start_paused = true)]
async fn a_later_holder_is_spared() {
    for (reads, key) in [(true, READERS), (false, WRITER)] {
        let nodes = Nodes::seeded(3, 1);
        // The operator has connections of its own.
        let apart = nodes.apart();
        let (redlock, operator) = (in_memory(&nodes).await, in_memory(&apart).await);
        let (catalog, operator) = (redlock.rwlock("catalog"), operator.rwlock("catalog"));
        let request = || match reads {
            true => catalog.read().ttl(LONG),
            false => catalog.write().ttl(LONG),
        };
        let first = request().await.expect("free");
        apart.node(0).delay(Duration::from_millis(100));
        let force = async {
            match reads {
                true => operator.force_release_readers().await,
                false => operator.force_release_writer().await,
            }
        };
        let next = async {
            eventually(SOON, async || {
                !catalog.is_locked().await.expect("three nodes")
            })
            .await;
            // Its client does not know of it yet, and takes its entry back from the node that still has it.
            first.extend().await.expect_err("taken away");
            eventually(SOON, async || has(&nodes, key) == [false; 3]).await;
            request().await.expect("free again")
        };
        let (forced, next) = futures_util::future::join(force, next).await;
        forced.expect("three nodes");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(has(&nodes, key), [true; 3], "taken from the next");
        next.extend().await.expect("it is a later one");
        next.release().await.expect("three nodes");
        eventually(SOON, async || has(&nodes, key) == [false; 3]).await;
    }
}

/// Its own extension does not restore a holder that was taken away.
#[tokio::test]
async fn late_commands_of_a_holder_that_was_taken_away_are_stale() {
    for (reads, key) in [(true, READERS), (false, WRITER)] {
        let nodes = Nodes::new(3);
        let (redlock, operator) = (in_memory(&nodes).await, in_memory(&nodes).await);
        let (catalog, operator) = (redlock.rwlock("catalog"), operator.rwlock("catalog"));
        let guard = match reads {
            true => catalog.read().ttl(LONG).await.expect("free"),
            false => catalog.write().ttl(LONG).await.expect("free"),
        };
        match reads {
            true => operator.force_release_readers().await.expect("three nodes"),
            false => operator.force_release_writer().await.expect("three nodes"),
        }
        assert!(guard.extend().await.expect_err("taken away").is_lost());
        assert_eq!(has(&nodes, key), [false; 3], "restored");
    }
}

#[tokio::test]
async fn a_node_that_refused_the_release_of_a_reader_is_asked_again() {
    let nodes = Nodes::new(3);
    let redlock = in_memory(&nodes).await;
    let reader = redlock
        .rwlock("catalog")
        .read()
        .ttl(LONG)
        .await
        .expect("free");
    assert_eq!(has(&nodes, READERS), [true; 3]);
    nodes.node(0).fail_to_save(true);
    reader.release().await.expect("two of three nodes");
    assert!(has(&nodes, READERS)[0]);
    nodes.node(0).fail_to_save(false);
    eventually(SOON, async || has(&nodes, READERS) == [false; 3]).await;
}
