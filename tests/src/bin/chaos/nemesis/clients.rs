//! Faults of client processes: stopped for longer than the ttl, or killed.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fault::Target;
use crate::args::Problem;
use crate::history::EventKind;
use crate::run::harness::Harness;
use crate::timestamp::{Timestamp, now};

/// How long to wait until a client begins to work under a lock.
pub(super) const WORK_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How often to try to stop a holder between its read and its write.
const PAUSE_ATTEMPTS: usize = 6;
/// How often a start may fail without a quorum.
const START_ATTEMPTS: usize = 20;

/// Stops a client. Returns whether it did.
pub(super) async fn pause(harness: &Harness, target: Target, lasts: Duration) -> bool {
    let Some(paused) = Paused::target(harness, target).await else {
        return false;
    };
    sleep(lasts).await;
    paused.resume(harness);
    true
}

/// Kills a client, and starts another one in its place once the ages of the nodes allow it. Returns
/// whether it killed one.
pub(super) async fn kill(harness: &Harness, target: Target) -> bool {
    let slot = match target {
        Target::Slot(slot) => Some(slot),
        Target::Holder(key) => {
            let name = harness.resource.next_entry(key, WORK_TIMEOUT).await;
            name.and_then(|name| harness.slot_of(&name))
        }
    };
    let process = slot.and_then(|slot| Some((slot, harness.slots[slot].process.take()?)));
    let Some((slot, process)) = process else {
        return false;
    };
    harness.record_problem(process.kill().await);
    wait_until_admitted(harness).await;
    if !harness.finished.get() {
        harness.record_problem(replace(harness, slot).await);
    }
    true
}

/// Starts a client repeatedly until it finds a quorum, as a service manager would.
async fn replace(harness: &Harness, slot: usize) -> Result<(), Problem> {
    let mut attempts = 0;
    loop {
        let Err(problem) = harness.start_client(slot).await else {
            return Ok(());
        };
        attempts += 1;
        if attempts == START_ATTEMPTS || !problem.to_string().contains("no quorum") {
            return Err(problem);
        }
        if harness.finished.get() {
            return Ok(());
        }
        sleep(Duration::from_millis(300)).await;
        wait_until_admitted(harness).await;
    }
}

/// Waits until a new client can judge the nodes by their age, which restarts cannot delay for
/// longer than this.
pub(super) async fn wait_until_admitted(harness: &Harness) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !harness.can_admit_clients() && Instant::now() < deadline {
        sleep(Duration::from_millis(50)).await;
    }
}

/// A stopped client.
struct Paused {
    client: String,
    slot: usize,
    from: Timestamp,
}

impl Paused {
    /// Stops the target. A holder is stopped between its read and its write.
    async fn target(harness: &Harness, target: Target) -> Option<Self> {
        let key = match target {
            Target::Slot(slot) => return Self::in_slot(harness, slot),
            Target::Holder(key) => key,
        };
        for _ in 0..PAUSE_ATTEMPTS {
            let name = harness.resource.next_entry(key, WORK_TIMEOUT).await?;
            let Some(slot) = harness.slot_of(&name) else {
                continue;
            };
            let paused = Self::in_slot(harness, slot)?;
            // Its write may have been sent already.
            sleep(Duration::from_millis(2)).await;
            if harness.resource.is_inside(key, &name) {
                return Some(paused);
            }
            paused.resume(harness);
        }
        None
    }

    fn in_slot(harness: &Harness, slot: usize) -> Option<Self> {
        let process = harness.slots[slot].process.borrow();
        let process = process.as_ref()?;
        let from = now();
        process.stop();
        Some(Self {
            client: process.name.clone(),
            slot,
            from,
        })
    }

    /// Resumes it if it still runs, and records the time.
    fn resume(self, harness: &Harness) {
        if let Some(process) = &*harness.slots[self.slot].process.borrow()
            && process.name == self.client
        {
            process.resume();
        }
        let client = self.client;
        harness
            .events
            .record(self.from, EventKind::Paused { client });
    }
}
