//! Renewal: the leases of a client, and one task in each runtime that it is used in to extend those that are due, and to
//! end turns that last too long.
//!
//! The leases belong to the client and not to a runtime: whichever task runs when a lease is due extends it, over the
//! connections of its own runtime. So a lease outlives the runtime that acquired it, and one that stands still.

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
    time::sleep,
};

use crate::{
    env::{clock::Instant, sync::lock},
    error::Result,
    events::lock as events,
    lease::Lease,
    mutant::{self, Mutant},
    node::Nodes,
};

/// A lease is extended when this part of its ttl has passed.
const PART: u32 = 3;
/// After a failed extension it is tried again when this part of the ttl has passed.
const RETRY_PART: u32 = 12;
/// A renewal that begins later than planned by this part of the ttl is worth a warning: a few times as much, and the lock
/// is lost. Six times the stall is a ttl that takes it well.
const LATE_PART: u32 = 6;
/// Not more often than this.
const WARN_EVERY: Duration = Duration::from_secs(10);
/// The most extensions on their way at a time: however many are due, their memory is bounded, and the first due go first.
const ABREAST: usize = 512;
/// Visits to leases that are gone are swept out when this many are due, and again at twice of what was left.
const SWEEP: usize = 1_024;

/// The leases of a client that are renewed, or end in time.
#[derive(Debug)]
pub(crate) struct Renewers {
    nodes: Weak<Nodes>,
    due: Mutex<Due>,
    sooner: Notify,
    /// When the last warning was that renewals run late.
    warned: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Due {
    /// When to extend which lease, with the number of this visit: only the last one of a lease counts.
    renewals: Visits<u32>,
    /// When to look whether something is over that may not last for longer.
    looks: Visits<Instant>,
    /// The runtimes with a task that looks after the heaps.
    attended: Vec<Id>,
}

#[derive(Debug)]
struct Visits<T> {
    heap: BinaryHeap<Reverse<Visit<T>>>,
    sweep_at: usize,
}

/// When to see after a lease. One for every lock that is renewed, so it is kept small.
#[derive(Debug)]
struct Visit<T> {
    at: Instant,
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

impl Renewers {
    pub(crate) fn new(nodes: &Arc<Nodes>) -> Self {
        Self {
            nodes: Arc::downgrade(nodes),
            due: Mutex::new(Due::new()),
            sooner: Notify::new(),
            warned: Mutex::default(),
        }
    }

    /// Renews `lease` from now on, and ends its turns in time.
    pub(crate) fn keep(self: &Arc<Self>, lease: &Arc<Lease>) {
        self.renew(lease, lease.terms().ttl / PART);
        self.look_again(lease);
        self.attend();
    }

    /// Ends the turn of `lease` in time.
    pub(crate) fn watch(self: &Arc<Self>, lease: &Arc<Lease>) {
        self.look_again(lease);
        self.attend();
    }

    /// A runtime that uses the client takes part in the renewal of leases that others acquired.
    pub(crate) fn take_part(self: &Arc<Self>) {
        let nodes = self.nodes.upgrade();
        if nodes.is_some_and(|nodes| nodes.is_used_in_several_runtimes())
            && !lock(&self.due).is_empty()
        {
            self.attend();
        }
    }

    /// Has the runtime that this is called in take part in the renewal, and those that the client was used in before.
    pub(crate) fn attend(self: &Arc<Self>) {
        let Some(nodes) = self.nodes.upgrade() else {
            return;
        };
        if let Some(background) = &nodes.background {
            self.attend_in(&nodes, background.runtime());
        } else if let Ok(runtime) = Handle::try_current() {
            self.attend_in(&nodes, &runtime);
        }
        // One runtime is what nearly everybody has.
        if nodes.is_used_in_several_runtimes() {
            self.attend_elsewhere(&nodes);
        }
    }

    fn attend_elsewhere(self: &Arc<Self>, nodes: &Arc<Nodes>) {
        for runtime in nodes.runtimes() {
            self.attend_in(nodes, &runtime);
        }
    }

    /// Starts the task of this runtime, unless it runs.
    fn attend_in(self: &Arc<Self>, nodes: &Arc<Nodes>, runtime: &Handle) {
        {
            let mut due = lock(&self.due);
            if due.attended.contains(&runtime.id()) {
                return;
            }
            due.attended.push(runtime.id());
        }
        let attending = Attending {
            renewers: Arc::clone(self),
            runtime: runtime.id(),
        };
        let task = async move { attending.renewers.run(attending.runtime).await };
        match nodes.gate.clone() {
            Some(gate) => drop(runtime.spawn(gate.through(task))),
            None => drop(runtime.spawn(task)),
        }
    }

    fn renew(&self, lease: &Arc<Lease>, after: Duration) {
        let visit = Visit {
            at: lease.core().now().after(after),
            lease: Arc::downgrade(lease),
            noted: lease.next_visit(),
        };
        self.add(visit, |due| &mut due.renewals);
    }

    /// Looks again when something of the lease is over that may not last for longer, unless somebody does so anyway.
    fn look_again(&self, lease: &Arc<Lease>) {
        let Some(after) = lease.look_in() else {
            return;
        };
        let at = lease.core().now().after(after);
        if lease.will_be_looked_at(at) {
            let visit = Visit {
                at,
                lease: Arc::downgrade(lease),
                noted: at,
            };
            self.add(visit, |due| &mut due.looks);
        }
    }

    fn add<T>(&self, visit: Visit<T>, to: impl FnOnce(&mut Due) -> &mut Visits<T>) {
        let mut due = lock(&self.due);
        let first = due.next(true).is_none_or(|next| visit.at < next);
        to(&mut due).push(visit);
        drop(due);
        if first {
            self.sooner.notify_waiters();
        }
    }

    /// Until nothing is kept any more.
    async fn run(&self, runtime: Id) {
        let mut extending = FuturesUnordered::new();
        let mut planned = None;
        loop {
            let sooner = self.sooner.notified();
            tokio::pin!(sooner);
            // Registered before the look, so that nothing is missed in between.
            sooner.as_mut().enable();
            let Some(now) = self.now() else { return };
            let late = planned.map_or(Duration::ZERO, |at| now.saturating_since(at));
            self.look(now);
            for lease in self.ready(ABREAST - extending.len(), now, late) {
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
                    due.attended.retain(|attended| *attended != runtime);
                    return;
                }
                due.next(room)
            };
            planned = next;
            let Some(now) = self.now() else { return };
            let pause = next.map_or(Duration::ZERO, |at| at.saturating_since(now));
            tokio::select! {
                // In this order, so that a simulated history repeats itself.
                biased;
                Some((lease, extended)) = extending.next() => self.extended(&lease, extended),
                () = sleep(pause), if next.is_some() => {}
                () = sooner => {}
            }
        }
    }

    /// The runtime did not run this task in time, as where others block it: leases that are due are nearer to their end
    /// than they should be.
    fn ran_late(&self, late: Duration, ttl: Duration, now: Instant) {
        if late < ttl / LATE_PART {
            return;
        }
        {
            let mut warned = lock(&self.warned);
            if warned.is_some_and(|last| now.saturating_since(last) < WARN_EVERY) {
                return;
            }
            *warned = Some(now);
        }
        events::renewal_stalled(late, ttl, late.saturating_mul(LATE_PART));
    }

    /// `None` when the client is gone.
    fn now(&self) -> Option<Instant> {
        self.nodes.upgrade().map(|nodes| nodes.now())
    }

    fn extended(&self, lease: &Arc<Lease>, extended: Result<()>) {
        match extended {
            Ok(()) => self.renew(lease, lease.terms().ttl / PART),
            // The key may be kept for a body that has not stopped yet.
            Err(error) if error.is_lost() => self.look_again(lease),
            Err(error) => {
                events::renewal_failed(lease.key(), &error);
                self.renew(lease, lease.terms().ttl / RETRY_PART);
            }
        }
    }

    /// Ends what is over.
    fn look(&self, now: Instant) {
        loop {
            // Not in the head of the loop, which would keep the guard.
            let look = lock(&self.due).looks.pop(now);
            let Some(look) = look else { return };
            if let Some(lease) = look.lease.upgrade()
                && lease.is_looked_at(look.noted)
            {
                lease.look_after();
                self.look_again(&lease);
            }
        }
    }

    /// The leases that are due and still open, so many at most. `late`: how much later than planned this task runs.
    ///
    /// Each is due again, in case that the runtime which takes it on stands still before it has extended it.
    fn ready(&self, most: usize, now: Instant, late: Duration) -> Vec<Arc<Lease>> {
        let mut leases = Vec::new();
        let mut due = lock(&self.due);
        while leases.len() < most
            && let Some(visit) = due.renewals.pop(now)
        {
            let lease = visit.lease.upgrade();
            leases.extend(lease.filter(|lease| lease.is_visit(visit.noted)));
        }
        drop(due);
        if let Some(ttl) = leases.iter().map(|lease| lease.terms().ttl).min() {
            self.ran_late(late, ttl, now);
        }
        leases.retain(|lease: &Arc<Lease>| {
            let open = lease.look_after();
            if open {
                self.renew(lease, lease.terms().ttl / PART);
            } else {
                self.look_again(lease);
            }
            open
        });
        leases
    }
}

impl Due {
    fn new() -> Self {
        Self {
            renewals: Visits::new(),
            looks: Visits::new(),
            attended: Vec::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.renewals.heap.is_empty() && self.looks.heap.is_empty()
    }

    /// When the next visit is due; only a look where no `renewals` can be begun.
    fn next(&self, renewals: bool) -> Option<Instant> {
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

    fn next(&self) -> Option<Instant> {
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

    fn pop(&mut self, now: Instant) -> Option<Visit<T>> {
        self.next().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse(visit)| visit)
    }
}

/// Notes the end of the task, be it by a runtime that shuts down: others go on.
struct Attending {
    renewers: Arc<Renewers>,
    runtime: Id,
}

impl Drop for Attending {
    fn drop(&mut self) {
        let left = {
            let due = lock(&self.renewers.due);
            due.attended.contains(&self.runtime) && !due.is_empty()
        };
        if left && let Some(nodes) = self.renewers.nodes.upgrade() {
            self.renewers.attend_elsewhere(&nodes);
        }
        // Last: while it stands there, nobody hands the leases back to this runtime.
        let mut due = lock(&self.renewers.due);
        due.attended.retain(|attended| *attended != self.runtime);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_locks_leave_a_bounded_number_of_visits() {
        let mut due = Due::new();
        for at in 0..10 * SWEEP as u64 {
            due.renewals.push(Visit {
                at: Instant::from_micros(at),
                lease: Weak::new(),
                noted: 0,
            });
        }
        assert!(due.renewals.heap.len() <= SWEEP);
    }
}
