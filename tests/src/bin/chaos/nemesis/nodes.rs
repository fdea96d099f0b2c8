//! Faults of nodes: killed and back empty, hung, flushed.

use std::time::Duration;

use futures_util::future::join_all;
use tests::Node;
use tokio::time::{sleep, timeout};

use crate::events::What;
use crate::stamp::now;
use crate::world::World;

/// How long to wait for somebody to begin to work.
const OPPORTUNITY: Duration = Duration::from_millis(1_500);
/// Time for a command of the nemesis itself.
const PATIENCE: Duration = Duration::from_secs(1);

/// Kills the nodes and starts them again, empty. Whether it was done.
pub(crate) async fn restart(
    world: &World,
    nodes: &[usize],
    down: Duration,
    inside: Option<&str>,
) -> bool {
    if let Some(key) = inside {
        // Whoever has just begun is the most likely to be robbed.
        world.resource.next_entry(key, OPPORTUNITY).await;
    }
    if !world.may_forget(nodes.len()).await {
        return false;
    }
    let from = now();
    for &node in nodes {
        world.forgets(node);
        world.cluster.node(node).kill();
    }
    sleep(down).await;
    join_all(nodes.iter().map(|&node| world.cluster.node(node).start())).await;
    for &node in nodes {
        world.forgets(node);
        world.events.note(from, What::Restart { node });
    }
    true
}

/// Stops the nodes for a while.
pub(crate) async fn hang(world: &World, nodes: &[usize], lasts: Duration) -> bool {
    let live: Vec<&Node> = nodes
        .iter()
        .map(|&node| world.cluster.node(node))
        .filter(|node| node.is_live())
        .collect();
    let from = now();
    for node in &live {
        node.pause();
    }
    sleep(lasts).await;
    for node in &live {
        node.resume();
        world.events.note(from, What::Hung { node: node.index() });
    }
    !live.is_empty()
}

/// FLUSHALL on those that can be reached.
pub(crate) async fn flush(world: &World, nodes: &[usize]) -> bool {
    let flushes = nodes.iter().map(async |&node| {
        let from = now();
        let done = command(world.cluster.node(node), redis::cmd("FLUSHALL").arg("SYNC")).await;
        // One that was sent and not answered may still be carried out.
        world.events.note(from, What::Flush { node });
        done
    });
    join_all(flushes).await.contains(&true)
}

/// SCRIPT FLUSH on those that can be reached.
pub(crate) async fn flush_scripts(world: &World) -> bool {
    let flushes = world
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
    let asked = async {
        let mut connection = redis::Client::open(node.url())?
            .get_multiplexed_async_connection()
            .await?;
        command.query_async::<()>(&mut connection).await
    };
    matches!(timeout(PATIENCE, asked).await, Ok(Ok(())))
}
