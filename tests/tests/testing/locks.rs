//! Assertions about locks on nodes in memory.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use redlock::{
    Redlock,
    memory::Nodes,
    testing::{assert_held, assert_released, assert_released_within},
};

use crate::{client, said};

const KEY: &str = "invoice:42";
const TTL: Duration = Duration::from_secs(10);

fn not_held(nodes: &Nodes) -> String {
    said(catch_unwind(AssertUnwindSafe(|| assert_held(nodes, KEY))))
}

fn not_released(nodes: &Nodes) -> String {
    said(catch_unwind(AssertUnwindSafe(|| {
        assert_released(nodes, KEY);
    })))
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_held_until_it_is_released() {
    let nodes = Nodes::new(3);
    let redlock = client(&nodes).await;
    assert_released(&nodes, KEY);
    let message = not_held(&nodes);
    assert!(
        message.contains("nobody holds `invoice:42`: memory-0 has nothing;"),
        "{message}"
    );

    let guard = redlock.lock(KEY).ttl(TTL).await.expect("free");
    assert_held(&nodes, KEY);
    let message = not_released(&nodes);
    assert!(
        message.contains("`invoice:42` is not released: memory-0 has the owner"),
        "{message}"
    );

    guard.release().await.expect("confirmed");
    assert_released(&nodes, KEY);
    not_held(&nodes);
}

/// Two of three nodes are a majority, whoever can be reached; one is none.
#[tokio::test(start_paused = true)]
async fn a_majority_holds_a_lock() {
    let nodes = Nodes::new(3);
    let guard = client(&nodes).await.lock(KEY).await.expect("free");
    nodes.node(0).stop();
    nodes.node(1).delete(KEY);
    assert_held(&nodes, KEY);
    nodes.node(2).delete(KEY);
    not_held(&nodes);
    not_released(&nodes);
    drop(guard);
}

/// Votes for different owners are not added.
#[tokio::test]
async fn a_lock_with_a_different_owner_on_each_node_has_no_holder() {
    let nodes = Nodes::new(3);
    for (index, node) in nodes.nodes().iter().enumerate() {
        node.set(KEY, &format!("owner {index}"));
    }
    let message = not_held(&nodes);
    assert!(
        message.contains("memory-2 has the owner owner 2 without an expiry"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cool_down_is_neither_held_nor_released() {
    let nodes = Nodes::new(3);
    let guard = client(&nodes).await.lock(KEY).ttl(TTL).await.expect("free");
    guard
        .cool_down(Duration::from_secs(30))
        .await
        .expect("confirmed");
    assert!(not_held(&nodes).contains("memory-0 has a cool-down for "));
    assert!(not_released(&nodes).contains("memory-0 has a cool-down for "));
    assert_released_within(&nodes, KEY, Duration::from_secs(31)).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_guard_is_released_within_a_second() {
    let nodes = Nodes::new(3);
    drop(client(&nodes).await.lock(KEY).await.expect("free"));
    assert_released_within(&nodes, KEY, Duration::from_secs(1)).await;
    assert_released(&nodes, KEY);
}

/// The bound is kept: a lock that nobody releases is not waited for any longer.
#[tokio::test(start_paused = true)]
async fn a_lock_that_is_not_released_in_time_fails_the_test() {
    let nodes = Nodes::new(3);
    let guard = client(&nodes).await.lock(KEY).await.expect("free");
    let looking = nodes.clone();
    let look = async move { assert_released_within(&looking, KEY, Duration::from_secs(1)).await };
    let failed = tokio::spawn(look).await.expect_err("it panics");
    let message = said(Err(failed.into_panic()));
    assert!(
        message.contains("`invoice:42` is not released after 1s: memory-0 has the owner"),
        "{message}"
    );
    assert!(!guard.is_lost());
}

#[tokio::test(start_paused = true)]
async fn a_key_has_the_namespace_in_front() {
    let nodes = Nodes::new(3);
    let redlock = Redlock::builder().nodes(nodes.nodes()).namespace("shop:");
    let redlock = redlock.connect().await.expect("all nodes answer");
    let guard = redlock.lock(KEY).await.expect("free");
    assert_held(&nodes, "shop:invoice:42");
    assert_released(&nodes, KEY);
    guard.release().await.expect("confirmed");
}
