//! Counts what is still in flight, so that closing can wait for it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::sync::Notify;

/// A count that can be waited on until it is zero.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    count: AtomicUsize,
    zero: Notify,
}

/// One thing in flight. Dropped when it has arrived or never will.
#[derive(Debug)]
pub(crate) struct Pending(Arc<Tracker>);

impl Tracker {
    pub(crate) fn begin(self: &Arc<Self>) -> Pending {
        self.count.fetch_add(1, SeqCst);
        Pending(Arc::clone(self))
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(SeqCst)
    }

    /// Completes when nothing is in flight. Cancel safe.
    pub(crate) async fn drained(&self) {
        loop {
            let notified = self.zero.notified();
            tokio::pin!(notified);
            // Registered before the check, so that no wake-up is missed in between.
            notified.as_mut().enable();
            if self.count.load(SeqCst) == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Pending {
    /// One more in flight.
    pub(crate) fn another(&self) -> Self {
        self.0.begin()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, SeqCst) == 1 {
            self.0.zero.notify_waiters();
        }
    }
}
