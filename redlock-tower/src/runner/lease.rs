//! The guard while a request runs: the layer owns it until the handler takes it.

use super::Route;
use crate::metrics;
use redlock::{Guard, Held};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Holds the guard. The layer and the handler's [`HeldLock`](crate::HeldLock) share it; whoever takes the guard owns
/// it.
#[derive(Default)]
pub(crate) struct Slot(Mutex<Option<Guard>>);

impl Slot {
    pub(crate) fn take(&self) -> Option<Guard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

/// The layer's hold on the lock. Dropping it releases the lock in the background, even while a handler still has a
/// [`HeldLock`](crate::HeldLock).
#[derive(Debug)]
pub(crate) struct Lease {
    held: Held,
    slot: Arc<Slot>,
    since: Instant,
    route: Route,
    /// Whether anything has run under the lock.
    used: bool,
}

impl Lease {
    pub(crate) fn new(guard: Guard, route: Route) -> Self {
        metrics::locked();
        Self {
            held: guard.held(),
            slot: Arc::new(Slot(Mutex::new(Some(guard)))),
            since: Instant::now(),
            route,
            used: false,
        }
    }

    pub(crate) fn body_begins(&mut self) {
        self.used = true;
    }

    pub(crate) fn is_used(&self) -> bool {
        self.used
    }

    pub(crate) fn held(&self) -> &Held {
        &self.held
    }

    /// Whether it was lost to a newer request.
    pub(crate) fn is_superseded(&self) -> bool {
        self.held.is_superseded()
    }

    /// Time since the grant.
    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whose hold it is, for [`HoldTimes`](super::HoldTimes).
    pub(crate) fn route(&self) -> Route {
        self.route
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Whether the handler took the guard, and with it the responsibility for the lock.
    pub(crate) fn is_taken(&self) -> bool {
        self.slot.is_empty()
    }

    pub(crate) fn take(self) -> Option<Guard> {
        self.slot.take()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        metrics::unlocked();
        metrics::held(|| self.age());
        // In the background.
        match self.slot.take() {
            Some(guard) if !self.used => redlock::__private::give_back(guard),
            used => drop(used),
        }
    }
}
