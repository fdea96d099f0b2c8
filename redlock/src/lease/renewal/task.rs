//! The renewal task of one runtime: extends the leases that are due, and checks deadlines.

use std::{sync::Arc, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::{runtime::Id, time::sleep};

use super::{PART, RETRY_PART, Renewers};
use crate::{
    env::{clock::Instant, sync::lock},
    error::Result,
    events::lock as events,
    lease::Lease,
};

/// The most extensions in flight of one task. The earliest due go first.
const MAX_IN_FLIGHT: usize = 512;
/// A task that runs later than planned by this part of the ttl is worth a warning: a few times as much, and locks are
/// lost. A ttl of this many times the delay is recommended.
const LATE_PART: u32 = 6;
/// The shortest time between two such warnings.
const WARN_EVERY: Duration = Duration::from_secs(10);

impl Renewers {
    /// Runs until the schedule is empty.
    pub(super) async fn run(&self, runtime: Id) {
        let mut extensions = FuturesUnordered::new();
        let mut planned = None;
        loop {
            let earlier = self.earlier.notified();
            tokio::pin!(earlier);
            // Registered before the schedule is read, so that no timer is missed in between.
            earlier.as_mut().enable();
            let Some(now) = self.now() else { return };
            let late = planned.map_or(Duration::ZERO, |at| now.saturating_since(at));
            self.check_due(now);
            let leases = self.take_due(MAX_IN_FLIGHT - extensions.len(), now, late);
            extensions.extend(leases.into_iter().map(extend));
            let has_room = extensions.len() < MAX_IN_FLIGHT;
            let next = {
                let mut schedule = lock(&self.schedule);
                if schedule.is_empty() && extensions.is_empty() {
                    schedule.runtimes.retain(|running| *running != runtime);
                    return;
                }
                schedule.next(has_room)
            };
            planned = next;
            let Some(now) = self.now() else { return };
            let pause = next.map_or(Duration::ZERO, |at| at.saturating_since(now));
            tokio::select! {
                // In this order, so that a simulated history repeats itself.
                biased;
                Some((lease, extended)) = extensions.next() => self.extended(&lease, extended),
                () = sleep(pause), if next.is_some() => {}
                () = earlier => {}
            }
        }
    }

    /// `None` when the client is gone.
    fn now(&self) -> Option<Instant> {
        self.connections
            .upgrade()
            .map(|connections| connections.nodes().now())
    }

    fn check_due(&self, now: Instant) {
        loop {
            // Not in the head of a `while let`: the schedule would stay locked while the lease is checked.
            let timer = lock(&self.schedule).checks.pop(now);
            let Some(timer) = timer else { return };
            if let Some(lease) = timer.lease.upgrade()
                && lease.take_check(timer.stamp)
            {
                lease.check_deadlines();
                self.schedule_check(&lease);
            }
        }
    }

    /// At most `most` open leases whose renewal is due. `late`: how much later than planned this task runs.
    fn take_due(&self, most: usize, now: Instant, late: Duration) -> Vec<Arc<Lease>> {
        let mut leases = Vec::new();
        let mut schedule = lock(&self.schedule);
        while leases.len() < most
            && let Some(timer) = schedule.renewals.pop(now)
        {
            let lease = timer.lease.upgrade();
            leases.extend(lease.filter(|lease| lease.is_current_renewal(timer.stamp)));
        }
        drop(schedule);
        if let Some(ttl) = leases.iter().map(|lease| lease.options().ttl).min() {
            self.warn_if_late(late, ttl, now);
        }
        leases.retain(|lease: &Arc<Lease>| {
            let open = lease.check_deadlines();
            if open {
                // Scheduled again before it is extended, in case that this runtime is blocked before the extension.
                self.schedule_renewal(lease, lease.options().ttl / PART);
            } else {
                self.schedule_check(lease);
            }
            open
        });
        leases
    }

    fn extended(&self, lease: &Arc<Lease>, extended: Result<()>) {
        match extended {
            // Its next renewal was scheduled before.
            Ok(()) => {}
            // The key may be kept for a body that has not stopped yet.
            Err(error) if error.is_of_lost_lock() => self.schedule_check(lease),
            Err(error) => {
                events::renewal_failed(lease.key(), &error);
                self.schedule_renewal(lease, lease.options().ttl / RETRY_PART);
            }
        }
    }

    /// Warns that other code blocks the runtime, so that leases are extended later than planned.
    fn warn_if_late(&self, late: Duration, ttl: Duration, now: Instant) {
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
}

async fn extend(lease: Arc<Lease>) -> (Arc<Lease>, Result<()>) {
    let extended = lease.extend().await;
    (lease, extended)
}
