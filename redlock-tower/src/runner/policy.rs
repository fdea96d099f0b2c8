//! What a lock service does for every request: which lock it acquires, and what happens without it.

use super::{EndHold, Ending, HoldTimes, Lease};
use crate::{events, metrics};
use redlock::{Acquire, Error, LockOptions, Redlock, WaiterLimit};
use std::{sync::Arc, time::Duration};

/// Default limit on requests that wait for one key. Each of them holds a connection of the server.
const MAX_WAITERS_PER_KEY: usize = 100;
/// Default limit on requests that wait for any key.
const MAX_WAITERS: usize = 10_000;

/// What happens to a running request when its lock is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnLost {
    /// Drop the handler's future at its next await point, and respond with 503.
    #[default]
    Cancel,
    /// Let the handler run. It watches [`HeldLock::lost`](crate::HeldLock::lost) itself. A handler that has not begun,
    /// because an inner service was not ready, is cancelled nevertheless.
    Signal,
}

/// The part of the configuration that [`LockLayer`](crate::LockLayer) and [`RedlockLayer`](crate::RedlockLayer)
/// have in common.
#[derive(Clone, Debug)]
pub(crate) struct LockPolicy {
    pub(crate) redlock: Redlock,
    pub(crate) options: LockOptions,
    pub(crate) on_lost: OnLost,
    pub(crate) fail_open: bool,
    pub(crate) hold_times: Arc<HoldTimes>,
}

impl LockPolicy {
    pub(crate) fn new(redlock: Redlock) -> Self {
        metrics::describe();
        let mut options = LockOptions::default();
        options.max_waiters = Some(WaiterLimit::new(MAX_WAITERS_PER_KEY, MAX_WAITERS));
        Self {
            redlock,
            options,
            on_lost: OnLost::default(),
            fail_open: false,
            hold_times: Arc::default(),
        }
    }

    /// A request that may run without the lock does not wait until an outage ends.
    pub(crate) fn fail_open(&mut self) {
        self.fail_open = true;
        self.options.fail_fast = true;
    }

    /// Sets the cool-down after a success. Zero is no cool-down.
    pub(crate) fn dedupe_for(&mut self, window: Duration) {
        self.options.dedupe_for = Some(window).filter(|window| !window.is_zero());
    }

    pub(crate) fn acquire(&self, key: String) -> Acquire {
        let request = self.redlock.lock(key);
        request.options(self.options.clone()).into_future()
    }

    /// Whether a request runs although its lock was not acquired.
    pub(crate) fn runs_without(&self, error: &Error) -> bool {
        let runs = self.fail_open && is_outage(error);
        if runs {
            events::runs_unlocked(error);
        }
        runs
    }

    /// Ends the hold of a request that has finished. `None` if the handler took the guard.
    pub(crate) fn end(&self, lease: Lease, succeeded: bool) -> Option<EndHold> {
        self.hold_times.record(lease.route(), lease.age());
        let ending = match self.options.dedupe_for {
            Some(window) if succeeded => Ending::CoolDown(window),
            _ => Ending::Release,
        };
        EndHold::new(lease, ending)
    }
}

/// Whether the nodes are at fault: nobody knows who holds the lock.
pub(crate) fn is_outage(error: &Error) -> bool {
    error.is_no_quorum() || error.is_expired()
}
