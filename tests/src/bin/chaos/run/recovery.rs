//! Measurements after the faults, which need a system without other faults.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::harness::{Harness, Slot};
use super::process::Process;
use crate::args::Problem;
use crate::config::{GUARD_TIME, QUORUM, SLOW_KEY};
use crate::nemesis;
use crate::timestamp::{Timestamp, between, now};

/// Time for connections to come back; the longest pause between two attempts is a second.
const RECONNECT: Duration = Duration::from_millis(1_500);
/// How many holders are killed.
const KILLS: usize = 2;
/// How often to try to lose an update.
const OVERTAKE_ATTEMPTS: usize = 5;
/// For how long a majority hangs.
const OUTAGE: Duration = Duration::from_millis(1_200);
/// How long to wait for the keys to be gone. More than the bound of I5, and less than their ttl.
const CLEANUP_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How long to wait for the next holder of the slow lock.
const HOLDER_TIMEOUT: Duration = Duration::from_secs(10);

/// What was done and measured.
#[derive(Debug)]
pub(crate) struct Recovery {
    pub(crate) began: Timestamp,
    /// When which holder of [`SLOW_KEY`] was killed.
    pub(crate) kills: Vec<(Timestamp, String)>,
    /// From when to when a majority hung.
    pub(crate) outage: (Timestamp, Timestamp),
    pub(crate) cleanup: Cleanup,
    /// The clients that ran at the end.
    pub(crate) clients: Vec<String>,
    pub(crate) usage: Usage,
}

/// The keys that were left after the last release.
#[derive(Debug)]
pub(crate) struct Cleanup {
    /// How long it takes to list the keys of all nodes.
    pub(crate) round_trip: Duration,
    /// After what time no lock key was left.
    pub(crate) free_after: Option<Duration>,
    pub(crate) left: Vec<String>,
}

/// Quantities that must stay bounded.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// On the node with the most.
    pub(crate) keys: usize,
    /// To the node with the most.
    pub(crate) connections: u64,
    /// Of the largest client, in KiB.
    pub(crate) memory: u64,
}

pub(crate) async fn run(harness: &Harness) -> Result<Recovery, Problem> {
    sleep(GUARD_TIME + RECONNECT).await;
    lose_an_update(harness).await;
    let began = now();
    let mut kills = Vec::new();
    for _ in 0..KILLS {
        kills.push(kill_holder(harness).await?);
    }
    let outage = hang_majority(harness).await;

    order_all(harness, "drain").await?;
    let idle: Vec<_> = harness
        .slots
        .iter()
        .filter_map(|slot| Some(slot.process.borrow().as_ref()?.idle()))
        .collect();
    let mut last = 0;
    for at in join_all(idle).await {
        last = last.max(at?);
    }
    let cleanup = cleanup(harness, last).await;
    let usage = usage(harness).await;
    let clients = harness
        .slots
        .iter()
        .filter_map(|slot| Some(slot.process.borrow().as_ref()?.name.clone()))
        .collect();
    order_all(harness, "quit").await?;
    for slot in &harness.slots {
        if let Some(process) = slot.process.take() {
            harness.record_problem(process.exit().await);
        }
    }
    Ok(Recovery {
        began,
        kills,
        outage,
        cleanup,
        clients,
        usage,
    })
}

/// Stops a holder past its ttl while others work, until that loses an update of the counters that
/// check no tokens. During faults this may not happen, since no other client may be able to acquire
/// the lock.
async fn lose_an_update(harness: &Harness) {
    for _ in 0..OVERTAKE_ATTEMPTS {
        let counters = harness.resource.counters();
        if counters
            .iter()
            .any(|counters| counters.unchecked_lost() > 0)
        {
            return;
        }
        nemesis::overtake_holder(harness).await;
    }
}

/// Kills the holder of the slow lock, and waits until another client holds it.
async fn kill_holder(harness: &Harness) -> Result<(Timestamp, String), Problem> {
    let holder = harness.resource.next_entry(SLOW_KEY, HOLDER_TIMEOUT).await;
    let name = holder.ok_or("no client acquires the slow lock after recovery")?;
    let slot = harness.slot_of(&name).ok_or("a holder without a slot")?;
    let killed = now();
    if let Some(process) = harness.slots[slot].process.take() {
        harness.record_problem(process.kill().await);
    }
    let next = harness.resource.next_entry(SLOW_KEY, HOLDER_TIMEOUT).await;
    next.ok_or("no client acquires the slow lock after its holder was killed")?;
    Ok((killed, name))
}

async fn hang_majority(harness: &Harness) -> (Timestamp, Timestamp) {
    let majority = &harness.cluster.nodes()[..QUORUM];
    let from = now();
    for node in majority {
        node.pause();
    }
    sleep(OUTAGE).await;
    for node in majority {
        node.resume();
    }
    let resumed = now();
    sleep(RECONNECT * 2).await;
    (from, resumed)
}

/// Gives every client the same order.
async fn order_all(harness: &Harness, order: &str) -> Result<(), Problem> {
    for slot in &harness.slots {
        // Taken out of the cell, since a borrow must not last over an await.
        if let Some(mut process) = slot.process.take() {
            let given = process.order(order).await;
            let name = process.name.clone();
            slot.process.replace(Some(process));
            given.map_err(|error| format!("client {name} takes no orders: {error}"))?;
        }
    }
    Ok(())
}

async fn cleanup(harness: &Harness, last_release: Timestamp) -> Cleanup {
    let mut left = lock_keys(harness).await;
    while !left.is_empty() && between(last_release, now()) < CLEANUP_TIMEOUT {
        sleep(Duration::from_millis(1)).await;
        left = lock_keys(harness).await;
    }
    let free_after = left.is_empty().then(|| between(last_release, now()));
    let start = Instant::now();
    lock_keys(harness).await;
    Cleanup {
        round_trip: start.elapsed(),
        free_after,
        left,
    }
}

/// The lock keys on all nodes.
async fn lock_keys(harness: &Harness) -> Vec<String> {
    let mut locks: Vec<String> = keys(harness).await.into_iter().flatten().collect();
    locks.retain(|key| is_lock(key));
    locks.sort();
    locks.dedup();
    locks
}

/// Whether a key is there only while something is held or waited for. Companion keys have braces, and
/// so do the locks of permits and of both sides.
fn is_lock(key: &str) -> bool {
    let of_a_kind = key.contains("{}:permit:") || key.contains("{}:rw:");
    let kept = key.ends_with("{}:fence") || key.ends_with("{}:waiters");
    !key.contains('{') || (of_a_kind && !kept)
}

async fn keys(harness: &Harness) -> Vec<Vec<String>> {
    let nodes = harness.cluster.nodes().iter();
    join_all(nodes.map(async |node| node.keys().await)).await
}

async fn usage(harness: &Harness) -> Usage {
    let nodes = harness.cluster.nodes().iter();
    let connections = join_all(nodes.map(async |node| node.connections().await)).await;
    let keys = keys(harness).await;
    Usage {
        keys: keys.iter().map(Vec::len).max().unwrap_or_default(),
        connections: connections.into_iter().max().unwrap_or_default(),
        memory: largest_memory(harness),
    }
}

/// Of the client processes, in KiB.
pub(crate) fn largest_memory(harness: &Harness) -> u64 {
    let memory = |slot: &Slot| slot.process.borrow().as_ref().and_then(Process::memory);
    let sizes = harness.slots.iter().filter_map(memory);
    sizes.max().unwrap_or_default()
}
