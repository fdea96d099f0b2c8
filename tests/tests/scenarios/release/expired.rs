//! R1: a release that arrives after the lock has passed to the next holder.

use std::time::Duration;

use tests::{Cluster, Node};

use crate::support::{KEY, LONG, SOON, connect};

/// The nodes that hold the key for `owner`: at least a quorum of them, but not all if an older lease expired late on some.
async fn holding<'a>(cluster: &'a Cluster, owner: &str) -> Vec<&'a Node> {
    let mut holding = Vec::new();
    for node in cluster.nodes() {
        if node.get(KEY).await.as_deref() == Some(owner) {
            holding.push(node);
        }
    }
    holding
}

#[tokio::test]
async fn r1_a_release_after_the_expiry_does_not_affect_the_next_holder() {
    let cluster = Cluster::start(3).await;
    let (a, b) = (connect(&cluster).await, connect(&cluster).await);
    let late = a
        .lock(KEY)
        .ttl(Duration::from_millis(300))
        .keep_alive(false)
        .await
        .expect("free");
    let guard = b.lock(KEY).ttl(LONG).wait(SOON).await.expect("expired");
    assert!(guard.token() > late.token());
    let holding = holding(&cluster, guard.owner()).await;
    assert!(holding.len() >= 2, "{holding:?}");

    assert!(late.is_lost());
    let error = late.release().await.expect_err("it had expired");
    assert!(error.is_lost(), "{error}");
    // The commands of the release have arrived before the reply to this one.
    a.close().await;
    for node in &holding {
        assert_eq!(node.get(KEY).await.as_deref(), Some(guard.owner()));
    }
    guard.extend().await.expect("held by a quorum");
    guard.release().await.expect("released");
}

/// The same in the two ways that do not wait for a reply.
#[tokio::test]
async fn r1_neither_a_drop_nor_a_late_extension_harms_the_next_holder() {
    let cluster = Cluster::start(3).await;
    let (a, b) = (connect(&cluster).await, connect(&cluster).await);
    let dropped = a
        .lock(KEY)
        .ttl(Duration::from_millis(200))
        .keep_alive(false)
        .await
        .expect("free");
    let middle = b
        .lock(KEY)
        .ttl(Duration::from_millis(200))
        .keep_alive(false)
        .wait(SOON)
        .await
        .expect("expired");
    let guard = a.lock(KEY).ttl(LONG).wait(SOON).await.expect("expired");
    let holding = holding(&cluster, guard.owner()).await;
    assert!(holding.len() >= 2, "{holding:?}");
    assert!(middle.extend().await.expect_err("it had expired").is_lost());
    drop(dropped);
    drop(middle);
    a.close().await;
    b.close().await;
    for node in holding {
        assert_eq!(node.get(KEY).await.as_deref(), Some(guard.owner()));
        assert!(
            node.pttl(KEY).await.expect("a lease") > LONG / 2,
            "its ttl was lowered"
        );
    }
    assert!(!guard.is_lost());
}
