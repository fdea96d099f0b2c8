//! The keeper: one task for each runtime that keeps all leases of a client alive.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::{
    runtime::{Handle, Id},
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    lease::Lease,
    mutant::{self, Mutant},
    node::memory::Gate,
    sync::lock,
};

/// A lease is extended when this part of its ttl has passed.
const PART: u32 = 3;
/// After a failed extension it is tried again when this part of the ttl has passed.
const RETRY_PART: u32 = 12;
/// The most extensions on their way at a time: however many are due, their memory is bounded, and the first due go first.
const ABREAST: usize = 512;
/// Visits to leases that are gone are swept out when this many are due, and again at twice of what was left.
const SWEEP: usize = 1_024;

/// The keepers of a client, by runtime.
#[derive(Debug, Default)]
pub(crate) struct Keepers(Mutex<Vec<(Id, Arc<Keeper>)>>);

#[derive(Debug)]
struct Keeper {
    begun: Instant,
    due: Mutex<Due>,
    sooner: Notify,
}

#[derive(Debug)]
struct Due {
    heap: BinaryHeap<Reverse<Visit>>,
    sweep_at: usize,
    /// Whether a task looks after the heap.
    attended: bool,
}

/// When to see after a lease. One for every lock that is kept alive, so it is kept small.
#[derive(Debug)]
struct Visit {
    /// In nanoseconds since the keeper began.
    at: u64,
    lease: Weak<Lease>,
}

impl PartialEq for Visit {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Visit {}

impl PartialOrd for Visit {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Visit {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl Keepers {
    /// Keeps `lease` alive from now on, on the runtime that this is called in.
    pub(crate) fn keep(&self, lease: &Arc<Lease>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let keeper = {
            let mut keepers = lock(&self.0);
            match keepers.iter().find(|(id, _)| *id == runtime.id()) {
                Some((_, keeper)) => Arc::clone(keeper),
                None => {
                    // Keepers of runtimes that ended have nobody to attend them, nor ever will.
                    keepers.retain(|(_, keeper)| lock(&keeper.due).attended);
                    let keeper = Arc::new(Keeper::new());
                    keepers.push((runtime.id(), Arc::clone(&keeper)));
                    keeper
                }
            }
        };
        keeper.visit(lease, lease.visit_in(lease.terms().ttl / PART));
        keeper.attend(&runtime, lease.core().nodes.gate.clone());
    }
}

impl Keeper {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            due: Mutex::new(Due {
                heap: BinaryHeap::new(),
                sweep_at: SWEEP,
                attended: false,
            }),
            sooner: Notify::new(),
        }
    }

    /// Nanoseconds since the keeper began.
    fn now(&self) -> u64 {
        nanos(self.begun.elapsed())
    }

    fn visit(&self, lease: &Arc<Lease>, after: Duration) {
        let visit = Visit {
            at: self.now().saturating_add(nanos(after)),
            lease: Arc::downgrade(lease),
        };
        let first = {
            let mut due = lock(&self.due);
            let first = due
                .heap
                .peek()
                .is_none_or(|Reverse(next)| visit.at < next.at);
            due.push(visit);
            first
        };
        if first {
            self.sooner.notify_one();
        }
    }

    /// Starts the task, unless it runs.
    fn attend(self: &Arc<Self>, runtime: &Handle, gate: Option<Arc<Gate>>) {
        if !std::mem::replace(&mut lock(&self.due).attended, true) {
            let attending = Attending(Arc::clone(self));
            let task = async move { attending.0.run().await };
            match gate {
                Some(gate) => drop(runtime.spawn(gate.through(task))),
                None => drop(runtime.spawn(task)),
            }
        }
    }

    /// Until nothing is kept any more.
    async fn run(&self) {
        let mut extending = FuturesUnordered::new();
        loop {
            for lease in self.ready(ABREAST - extending.len()) {
                extending.push(async move {
                    if mutant::on(Mutant::RenewalPanics) {
                        panic!("asked for by a test");
                    }
                    let extended = lease.extend().await;
                    (lease, extended)
                });
            }
            let next = {
                let mut due = lock(&self.due);
                if due.heap.is_empty() && extending.is_empty() {
                    due.attended = false;
                    return;
                }
                due.heap
                    .peek()
                    .map(|Reverse(visit)| self.begun + Duration::from_nanos(visit.at))
            };
            let room = extending.len() < ABREAST;
            tokio::select! {
                // In this order, so that a simulated history repeats itself.
                biased;
                Some((lease, extended)) = extending.next() => match extended {
                    Ok(()) => self.visit(&lease, lease.visit_in(lease.terms().ttl / PART)),
                    Err(error) if error.is_lost() => {}
                    Err(error) => {
                        tracing::debug!(%error, "extension failed, tried again");
                        self.visit(&lease, lease.visit_in(lease.terms().ttl / RETRY_PART));
                    }
                },
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() && room => {}
                () = self.sooner.notified(), if room => {}
            }
        }
    }

    /// The leases that are due and still open, so many at most.
    fn ready(&self, most: usize) -> Vec<Arc<Lease>> {
        let now = self.now();
        let mut leases = Vec::new();
        let mut due = lock(&self.due);
        while leases.len() < most
            && due
                .heap
                .peek()
                .is_some_and(|Reverse(visit)| visit.at <= now)
        {
            if let Some(Reverse(visit)) = due.heap.pop()
                && let Some(lease) = visit.lease.upgrade()
            {
                leases.push(lease);
            }
        }
        drop(due);
        leases.retain(Lease::look_after);
        leases
    }
}

impl Due {
    /// A lock that is released leaves its visit behind: a busy client has far more of these than locks that it holds.
    fn push(&mut self, visit: Visit) {
        if self.heap.len() >= self.sweep_at {
            self.heap
                .retain(|Reverse(visit)| visit.lease.strong_count() > 0);
            self.sweep_at = (self.heap.len() * 2).max(SWEEP);
        }
        self.heap.push(Reverse(visit));
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Notes the end of the task, be it by a runtime that shuts down.
struct Attending(Arc<Keeper>);

impl Drop for Attending {
    fn drop(&mut self) {
        lock(&self.0.due).attended = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_locks_leave_a_bounded_number_of_visits() {
        let keeper = Keeper::new();
        for at in 0..10 * SWEEP as u64 {
            let lease = Weak::new();
            lock(&keeper.due).push(Visit { at, lease });
        }
        assert!(lock(&keeper.due).heap.len() <= SWEEP);
    }
}
