//! The calm after the storm: what can only be measured when nothing else is wrong.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::args::Problem;
use crate::stamp::{Stamp, between, now};
use crate::terms::{GUARD_TIME, SLOW_KEY};
use crate::world::World;

/// Time for connections to come back; the longest pause between two attempts is a second.
const RECONNECT: Duration = Duration::from_millis(1_500);
/// How many holders are killed.
const KILLS: usize = 2;
/// How long a majority hangs.
const OUTAGE: Duration = Duration::from_millis(1_200);
/// Long after the bound for keys to be gone, and before they would go by their ttl.
const LOOK_FOR: Duration = Duration::from_millis(1_500);

/// What was done and seen.
#[derive(Debug)]
pub(crate) struct Calm {
    pub(crate) began: Stamp,
    /// When which holder of [`SLOW_KEY`] was killed.
    pub(crate) kills: Vec<(Stamp, String)>,
    /// From when to when a majority hung.
    pub(crate) outage: (Stamp, Stamp),
    pub(crate) rest: Rest,
    /// The clients that were there at the end.
    pub(crate) clients: Vec<String>,
    pub(crate) bounds: Bounds,
}

/// After the last release.
#[derive(Debug)]
pub(crate) struct Rest {
    /// A look at all nodes, as it takes now.
    pub(crate) round_trip: Duration,
    /// When no lock was left.
    pub(crate) free_after: Option<Duration>,
    pub(crate) left: Vec<String>,
}

/// What must not grow.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) keys: usize,
    pub(crate) connections: u64,
    /// Of the largest client, in KiB.
    pub(crate) memory: u64,
}

pub(crate) async fn calm(world: &World) -> Result<Calm, Problem> {
    sleep(GUARD_TIME + RECONNECT).await;
    let began = now();
    let mut kills = Vec::new();
    for _ in 0..KILLS {
        kills.push(kill_a_holder(world).await?);
    }
    let outage = hang_a_majority(world).await;

    each(world, "drain").await?;
    let idle: Vec<_> = world
        .slots
        .iter()
        .filter_map(|slot| Some(slot.worker.borrow().as_ref()?.idle()))
        .collect();
    let mut last = 0;
    for stamp in join_all(idle).await {
        last = last.max(stamp?);
    }
    let rest = rest(world, last).await;
    let bounds = bounds(world).await;
    let clients = world
        .slots
        .iter()
        .filter_map(|slot| Some(slot.worker.borrow().as_ref()?.name.clone()))
        .collect();
    each(world, "quit").await?;
    for slot in &world.slots {
        if let Some(worker) = slot.worker.take() {
            world.note_problem(worker.end().await);
        }
    }
    Ok(Calm {
        began,
        kills,
        outage,
        rest,
        clients,
        bounds,
    })
}

/// Kills whoever works under the slow lock, and waits until another does.
async fn kill_a_holder(world: &World) -> Result<(Stamp, String), Problem> {
    let patience = Duration::from_secs(10);
    let inside = world.resource.next_entry(SLOW_KEY, patience).await;
    let name = inside.ok_or("nobody takes the slow lock in the calm")?;
    let slot = world.slot_of(&name).ok_or("a holder without a slot")?;
    let killed = now();
    if let Some(worker) = world.slots[slot].worker.take() {
        world.note_problem(worker.kill().await);
    }
    let next = world.resource.next_entry(SLOW_KEY, patience).await;
    next.ok_or("nobody takes the slow lock after its holder was killed")?;
    Ok((killed, name))
}

async fn hang_a_majority(world: &World) -> (Stamp, Stamp) {
    let majority = &world.cluster.nodes()[..crate::terms::QUORUM];
    let from = now();
    for node in majority {
        node.pause();
    }
    sleep(OUTAGE).await;
    for node in majority {
        node.resume();
    }
    let healed = now();
    sleep(RECONNECT * 2).await;
    (from, healed)
}

/// Gives every client an order.
async fn each(world: &World, order: &str) -> Result<(), Problem> {
    for slot in &world.slots {
        // Taken out: a borrow must not last over an await.
        if let Some(mut worker) = slot.worker.take() {
            let given = worker.order(order).await;
            let name = worker.name.clone();
            slot.worker.replace(Some(worker));
            given.map_err(|error| format!("client {name} takes no orders: {error}"))?;
        }
    }
    Ok(())
}

async fn rest(world: &World, last: Stamp) -> Rest {
    let mut free_after = None;
    let mut left = locks(world).await;
    while !left.is_empty() && between(last, now()) < LOOK_FOR {
        sleep(Duration::from_millis(1)).await;
        left = locks(world).await;
    }
    if left.is_empty() {
        free_after = Some(between(last, now()));
    }
    let start = Instant::now();
    locks(world).await;
    Rest {
        round_trip: start.elapsed(),
        free_after,
        left,
    }
}

/// The lock keys on all nodes.
async fn locks(world: &World) -> Vec<String> {
    let mut locks: Vec<String> = keys(world).await.into_iter().flatten().collect();
    locks.retain(|key| !key.contains('{'));
    locks.sort();
    locks.dedup();
    locks
}

async fn keys(world: &World) -> Vec<Vec<String>> {
    join_all(
        world
            .cluster
            .nodes()
            .iter()
            .map(async |node| node.keys().await),
    )
    .await
}

async fn bounds(world: &World) -> Bounds {
    let connections = join_all(
        world
            .cluster
            .nodes()
            .iter()
            .map(async |node| node.connections().await),
    )
    .await;
    let memory = |slot: &crate::world::Slot| {
        slot.worker
            .borrow()
            .as_ref()
            .and_then(crate::worker::Worker::memory)
    };
    Bounds {
        keys: keys(world)
            .await
            .iter()
            .map(Vec::len)
            .max()
            .unwrap_or_default(),
        connections: connections.into_iter().max().unwrap_or_default(),
        memory: world
            .slots
            .iter()
            .filter_map(memory)
            .max()
            .unwrap_or_default(),
    }
}
