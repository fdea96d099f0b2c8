//! The keeper: one task for each runtime that keeps all leases of a client alive, and ends turns that last too long.

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
    clock,
    error::Result,
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
    /// When to extend which lease.
    renewals: Visits,
    /// When to look whether something is over that may not last for longer.
    looks: Visits<clock::Instant>,
    /// Whether a task looks after the heaps.
    attended: bool,
}

#[derive(Debug)]
struct Visits<T = ()> {
    heap: BinaryHeap<Reverse<Visit<T>>>,
    sweep_at: usize,
}

/// When to see after a lease. One for every lock that is kept alive, so it is kept small.
#[derive(Debug)]
struct Visit<T = ()> {
    /// In nanoseconds since the keeper began.
    at: u64,
    lease: Weak<Lease>,
    noted: T,
}

impl<T> PartialEq for Visit<T> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<T> Eq for Visit<T> {}

impl<T> PartialOrd for Visit<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Visit<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl Keepers {
    /// Keeps `lease` alive from now on, and ends its turns in time, on the runtime that this is called in.
    pub(crate) fn keep(&self, lease: &Arc<Lease>) {
        self.with(lease, |keeper| {
            keeper.renew(lease, lease.terms().ttl / PART);
            keeper.watch(lease);
        });
    }

    /// Ends the turn of `lease` in time, on the runtime that this is called in.
    pub(crate) fn watch(&self, lease: &Arc<Lease>) {
        self.with(lease, |keeper| keeper.watch(lease));
    }

    fn with(&self, lease: &Lease, add: impl FnOnce(&Keeper)) {
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
        add(&keeper);
        keeper.attend(&runtime, lease.core().nodes.gate.clone());
    }
}

impl Keeper {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            due: Mutex::new(Due {
                renewals: Visits::new(),
                looks: Visits::new(),
                attended: false,
            }),
            sooner: Notify::new(),
        }
    }

    /// Nanoseconds since the keeper began.
    fn now(&self) -> u64 {
        nanos(self.begun.elapsed())
    }

    fn renew(&self, lease: &Arc<Lease>, after: Duration) {
        let visit = Visit {
            at: self.now().saturating_add(nanos(after)),
            lease: Arc::downgrade(lease),
            noted: (),
        };
        let mut due = lock(&self.due);
        let first = due.next(true).is_none_or(|next| visit.at < next);
        due.renewals.push(visit);
        drop(due);
        if first {
            self.sooner.notify_one();
        }
    }

    /// Looks again when something of the lease is over that may not last for longer, unless somebody does so anyway.
    fn watch(&self, lease: &Arc<Lease>) {
        let Some(after) = lease.look_in() else {
            return;
        };
        let noted = lease.core().now().after(after);
        if !lease.will_be_looked_at(noted) {
            return;
        }
        let visit = Visit {
            at: self.now().saturating_add(nanos(after)),
            lease: Arc::downgrade(lease),
            noted,
        };
        let mut due = lock(&self.due);
        let first = due.next(true).is_none_or(|next| visit.at < next);
        due.looks.push(visit);
        drop(due);
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
            self.look();
            for lease in self.ready(ABREAST - extending.len()) {
                extending.push(async move {
                    if mutant::on(Mutant::RenewalPanics) {
                        panic!("asked for by a test");
                    }
                    let extended = lease.extend().await;
                    (lease, extended)
                });
            }
            let room = extending.len() < ABREAST;
            let next = {
                let mut due = lock(&self.due);
                if due.is_empty() && extending.is_empty() {
                    due.attended = false;
                    return;
                }
                due.next(room)
                    .map(|at| self.begun + Duration::from_nanos(at))
            };
            tokio::select! {
                // In this order, so that a simulated history repeats itself.
                biased;
                Some((lease, extended)) = extending.next() => self.extended(&lease, extended),
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
                () = self.sooner.notified() => {}
            }
        }
    }

    fn extended(&self, lease: &Arc<Lease>, extended: Result<()>) {
        match extended {
            Ok(()) => self.renew(lease, lease.terms().ttl / PART),
            // The key may be kept for a body that has not stopped yet.
            Err(error) if error.is_lost() => self.watch(lease),
            Err(error) => {
                tracing::debug!(%error, "extension failed, tried again");
                self.renew(lease, lease.terms().ttl / RETRY_PART);
            }
        }
    }

    /// Ends what is over.
    fn look(&self) {
        let now = self.now();
        loop {
            // Not in the head of the loop, which would keep the guard.
            let look = lock(&self.due).looks.pop(now);
            let Some(look) = look else { return };
            if let Some(lease) = look.lease.upgrade()
                && lease.is_looked_at(look.noted)
            {
                lease.look_after();
                self.watch(&lease);
            }
        }
    }

    /// The leases that are due and still open, so many at most.
    fn ready(&self, most: usize) -> Vec<Arc<Lease>> {
        let now = self.now();
        let mut leases = Vec::new();
        let mut due = lock(&self.due);
        while leases.len() < most
            && let Some(visit) = due.renewals.pop(now)
        {
            leases.extend(visit.lease.upgrade());
        }
        drop(due);
        leases.retain(|lease| {
            let open = lease.look_after();
            if !open {
                self.watch(lease);
            }
            open
        });
        leases
    }
}

impl Due {
    fn is_empty(&self) -> bool {
        self.renewals.heap.is_empty() && self.looks.heap.is_empty()
    }

    /// When the next visit is due; only a look where no `renewals` can be begun.
    fn next(&self, renewals: bool) -> Option<u64> {
        let renewal = self.renewals.next().filter(|_| renewals);
        self.looks.next().into_iter().chain(renewal).min()
    }
}

impl<T> Visits<T> {
    fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            sweep_at: SWEEP,
        }
    }

    fn next(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(visit)| visit.at)
    }

    /// A lock that is released leaves its visit behind: a busy client has far more of these than locks that it holds.
    fn push(&mut self, visit: Visit<T>) {
        if self.heap.len() >= self.sweep_at {
            self.heap
                .retain(|Reverse(visit)| visit.lease.strong_count() > 0);
            self.sweep_at = (self.heap.len() * 2).max(SWEEP);
        }
        self.heap.push(Reverse(visit));
    }

    fn pop(&mut self, now: u64) -> Option<Visit<T>> {
        self.next().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse(visit)| visit)
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
            let noted = ();
            lock(&keeper.due).renewals.push(Visit { at, lease, noted });
        }
        assert!(lock(&keeper.due).renewals.heap.len() <= SWEEP);
    }
}
