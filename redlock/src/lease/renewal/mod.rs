//! Renewal: extends the leases of a client in time, and ends holds that last too long.
//!
//! The schedule belongs to the client and not to a runtime. One task in each runtime that the client is used in works
//! through it ([`task`]): whichever runs when a lease is due extends it, over the connections of its own runtime. So a
//! lease outlives the runtime that acquired it, and a runtime that is blocked. A task ends when the schedule is empty.
//!
//! Bounded are: the extensions in flight of a task, and the timers left behind by released leases ([`schedule`]).

mod schedule;
mod task;

use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    sync::Notify,
    time::sleep,
};

use self::schedule::{Schedule, Timer, Timers};
use super::Lease;
use crate::{
    env::{clock::Instant, sync::lock, unwind::caught},
    key::Key,
    node::{ClientTask, ConnectionSets, Nodes},
};

/// A lease is extended when this part of its ttl has passed.
const PART: u32 = 3;
/// After a failed extension it is tried again when this part of the ttl has passed.
const RETRY_PART: u32 = 12;

/// The pause after a panic in the task, in case that the next step panics as well.
const AFTER_PANIC: Duration = Duration::from_millis(5);

/// The leases of a client that are renewed, or whose holds have a limit.
#[derive(Debug)]
pub(crate) struct Renewers {
    connections: Weak<ConnectionSets>,
    schedule: Mutex<Schedule>,
    /// A timer was added that is due before all others.
    earlier: Notify,
    /// When the last warning was that renewals run late.
    warned: Mutex<Option<Instant>>,
}

impl Renewers {
    pub(crate) fn new(connections: &Arc<ConnectionSets>) -> Self {
        Self {
            connections: Arc::downgrade(connections),
            schedule: Mutex::new(Schedule::new()),
            earlier: Notify::new(),
            warned: Mutex::default(),
        }
    }

    /// Extends `lease` in time from now on, and ends its holds in time.
    pub(crate) fn renew(self: &Arc<Self>, lease: &Arc<Lease>) {
        self.schedule_renewal(lease, lease.options().ttl / PART);
        self.watch(lease);
    }

    /// Extends `lease`, which is renewed, as soon as it can be.
    pub(crate) fn renew_soon(&self, lease: &Arc<Lease>) {
        self.schedule_renewal(lease, Duration::ZERO);
    }

    /// Ends the current hold of `lease` in time.
    pub(crate) fn watch(self: &Arc<Self>, lease: &Arc<Lease>) {
        self.schedule_check(lease);
        self.run_here();
    }

    /// Has a runtime that uses the client take part in renewing the leases that other runtimes acquired.
    pub(crate) fn run_if_shared(self: &Arc<Self>) {
        let connections = self.connections.upgrade();
        if connections.is_some_and(|connections| connections.is_used_in_several_runtimes())
            && !lock(&self.schedule).is_empty()
        {
            self.run_here();
        }
    }

    /// Starts the task in the current runtime, and in those that the client was used in before.
    pub(crate) fn run_here(self: &Arc<Self>) {
        let Some(connections) = self.connections.upgrade() else {
            return;
        };
        let nodes = connections.nodes();
        if let Some(background) = &nodes.background {
            self.run_in(nodes, background.runtime());
        } else if let Ok(runtime) = Handle::try_current() {
            self.run_in(nodes, &runtime);
        }
        // Checked first: most clients are used in one runtime.
        if connections.is_used_in_several_runtimes() {
            self.run_elsewhere(&connections);
        }
    }

    fn run_elsewhere(self: &Arc<Self>, connections: &ConnectionSets) {
        for runtime in connections.runtimes() {
            self.run_in(connections.nodes(), &runtime);
        }
    }

    /// Starts the task in `runtime`, unless it runs.
    fn run_in(self: &Arc<Self>, nodes: &Nodes, runtime: &Handle) {
        {
            let mut schedule = lock(&self.schedule);
            if schedule.runtimes.contains(&runtime.id()) {
                return;
            }
            schedule.runtimes.push(runtime.id());
        }
        let running = Running {
            renewers: Arc::clone(self),
            runtime: runtime.id(),
        };
        let task = async move {
            // A panic in code of the user, such as a waker, must not lose a lease.
            while caught(running.renewers.run(running.runtime)).await.is_err() {
                sleep(AFTER_PANIC).await;
            }
        };
        nodes.spawn(runtime, task);
    }

    /// The leases with this key that are renewed, or whose holds have a limit. Some may have ended.
    pub(crate) fn leases_of(&self, key: &Key) -> Vec<Arc<Lease>> {
        let leases = lock(&self.schedule).leases();
        // After the schedule is unlocked: dropping the last reference to a lease may schedule another one.
        let mut leases: Vec<Arc<Lease>> = leases.iter().filter_map(Weak::upgrade).collect();
        leases.retain(|lease| **lease.key() == *key);
        leases
    }

    fn schedule_renewal(&self, lease: &Arc<Lease>, after: Duration) {
        let timer = Timer {
            at: lease.core().now().after(after),
            lease: Arc::downgrade(lease),
            stamp: lease.next_renewal(),
        };
        self.add(timer, |schedule| &mut schedule.renewals);
    }

    /// Schedules the next check of the lease's deadlines, unless it has none, or an earlier check.
    fn schedule_check(&self, lease: &Arc<Lease>) {
        let Some(after) = lease.next_check_in() else {
            return;
        };
        let at = lease.core().now().after(after);
        if lease.schedule_check(at) {
            let timer = Timer {
                at,
                lease: Arc::downgrade(lease),
                stamp: at,
            };
            self.add(timer, |schedule| &mut schedule.checks);
        }
    }

    fn add<T>(&self, timer: Timer<T>, timers: impl FnOnce(&mut Schedule) -> &mut Timers<T>) {
        let mut schedule = lock(&self.schedule);
        let first = schedule.next(true).is_none_or(|next| timer.at < next);
        timers(&mut schedule).push(timer);
        drop(schedule);
        if first {
            self.earlier.notify_waiters();
        }
    }
}

/// A runtime takes over when those before have ended.
impl ClientTask for Renewers {
    fn continue_here(self: Arc<Self>) {
        if !lock(&self.schedule).is_empty() {
            self.run_here();
        }
    }
}

/// Notes the end of a task, also when its runtime shuts down: the other runtimes continue.
struct Running {
    renewers: Arc<Renewers>,
    runtime: Id,
}

impl Drop for Running {
    fn drop(&mut self) {
        let unfinished = {
            let schedule = lock(&self.renewers.schedule);
            schedule.runtimes.contains(&self.runtime) && !schedule.is_empty()
        };
        if unfinished && let Some(connections) = self.renewers.connections.upgrade() {
            self.renewers.run_elsewhere(&connections);
        }
        // Removed last: until then no other runtime starts the task here again.
        let mut schedule = lock(&self.renewers.schedule);
        schedule.runtimes.retain(|running| *running != self.runtime);
    }
}
