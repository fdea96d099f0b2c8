//! Faults of nodes: killed and restarted empty, hung, flushed.

use std::time::Duration;

use futures_util::future::join_all;
use tests::Node;
use tokio::time::{sleep, timeout};

use super::clients::WORK_TIMEOUT;
use crate::history::EventKind;
use crate::run::harness::Harness;
use crate::timestamp::now;

/// Bound on the time for a command of the nemesis.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(1);

/// Kills the nodes and starts them again, empty. Returns whether it did.
pub(super) async fn restart(
    harness: &Harness,
    nodes: &[usize],
    down: Duration,
    inside: Option<&str>,
) -> bool {
    if let Some(key) = inside {
        // A holder that has just begun has the most time left in which another could get the lock.
        harness.resource.next_entry(key, WORK_TIMEOUT).await;
    }
    if !harness.may_lose_data(nodes.len()).await {
        return false;
    }
    let from = now();
    for &node in nodes {
        harness.loses_data(node);
        harness.cluster.node(node).kill();
    }
    sleep(down).await;
    join_all(nodes.iter().map(|&node| harness.cluster.node(node).start())).await;
    for &node in nodes {
        harness.loses_data(node);
        harness.events.record(from, EventKind::Restarted { node });
    }
    true
}

/// Stops the nodes that run. Returns whether there were any.
pub(super) async fn hang(harness: &Harness, nodes: &[usize], lasts: Duration) -> bool {
    let live: Vec<&Node> = nodes
        .iter()
        .map(|&node| harness.cluster.node(node))
        .filter(|node| node.is_live())
        .collect();
    let from = now();
    for node in &live {
        node.pause();
    }
    sleep(lasts).await;
    for node in &live {
        node.resume();
        harness
            .events
            .record(from, EventKind::Hung { node: node.index() });
    }
    !live.is_empty()
}

/// Sends FLUSHALL to those that can be reached. Returns whether one of them replied.
pub(super) async fn flush(harness: &Harness, nodes: &[usize]) -> bool {
    let flushes = nodes.iter().map(async |&node| {
        let from = now();
        let done = command(
            harness.cluster.node(node),
            redis::cmd("FLUSHALL").arg("SYNC"),
        )
        .await;
        // A command without a reply may still be executed.
        harness.events.record(from, EventKind::Flushed { node });
        done
    });
    join_all(flushes).await.contains(&true)
}

/// Sends SCRIPT FLUSH to those that can be reached. Returns whether one of them replied.
pub(super) async fn flush_scripts(harness: &Harness) -> bool {
    let flushes = harness
        .cluster
        .nodes()
        .iter()
        .map(async |node| command(node, redis::cmd("SCRIPT").arg("FLUSH").arg("SYNC")).await);
    join_all(flushes).await.contains(&true)
}

async fn command(node: &Node, command: &redis::Cmd) -> bool {
    if !node.is_live() {
        return false;
    }
    let executed = async {
        let mut connection = redis::Client::open(node.url())?
            .get_multiplexed_async_connection()
            .await?;
        command.query_async::<()>(&mut connection).await
    };
    matches!(timeout(COMMAND_TIMEOUT, executed).await, Ok(Ok(())))
}
