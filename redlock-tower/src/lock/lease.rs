//! The guard while a request runs: the layer's, until the handler takes it along.

use redlock::{Guard, Held};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Where the guard lies; shared by the layer and the handler's view.
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

/// The layer's hold on the lock. Dropped, the lock is released in the background, however many views there are.
#[derive(Debug)]
pub(crate) struct Lease {
    held: Held,
    slot: Arc<Slot>,
    since: Instant,
}

impl Lease {
    pub(crate) fn new(guard: Guard) -> Self {
        Self {
            held: guard.held(),
            slot: Arc::new(Slot(Mutex::new(Some(guard)))),
            since: Instant::now(),
        }
    }

    pub(crate) fn held(&self) -> &Held {
        &self.held
    }

    /// For how long the lock is held.
    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Whether the handler took the guard along: from then on the lock is its own affair.
    pub(crate) fn is_taken(&self) -> bool {
        self.slot.is_empty()
    }

    pub(crate) fn take(self) -> Option<Guard> {
        self.slot.take()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // a guard's own drop releases in the background
        let _ = self.slot.take();
    }
}
