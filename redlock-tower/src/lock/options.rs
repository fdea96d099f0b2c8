//! What to ask of the lock, and asking for it.

use super::{Holds, is_outage};
use crate::events;
use redlock::{Acquire, Error, Redlock, WaiterLimit};
use std::{sync::Arc, time::Duration};

/// Requests that wait for one key, unless the layer says otherwise; each of them holds a connection of the server.
const PER_KEY: usize = 100;
/// Requests that wait at all, unless the layer says otherwise.
const IN_ALL: usize = 10_000;

/// What happens to a running request whose lock can no longer be relied on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnLost {
    /// It is cancelled: the handler's future is dropped at its next await point, the answer is 503.
    #[default]
    Cancel,
    /// It runs on; the handler watches [`HeldLock::lost`](crate::HeldLock::lost) itself. One that has not begun when the
    /// lock is lost, since a service further in was not ready, does not begin; the answer is 503.
    Signal,
}

/// The options both layers share.
#[derive(Clone, Debug)]
pub(crate) struct LockOptions {
    pub(crate) redlock: Redlock,
    pub(crate) ttl: Option<Duration>,
    pub(crate) wait: Option<Duration>,
    pub(crate) max_hold: Option<Duration>,
    pub(crate) reentrant: bool,
    pub(crate) on_lost: OnLost,
    pub(crate) fail_open: bool,
    /// With a fencing token, whatever the client's setting.
    pub(crate) fencing: bool,
    pub(crate) dedupe_for: Option<Duration>,
    pub(crate) max_waiters: WaiterLimit,
    pub(crate) holds: Arc<Holds>,
}

impl LockOptions {
    pub(crate) fn new(redlock: Redlock) -> Self {
        Self {
            redlock,
            ttl: None,
            wait: None,
            max_hold: None,
            reentrant: false,
            on_lost: OnLost::default(),
            fail_open: false,
            fencing: false,
            dedupe_for: None,
            max_waiters: WaiterLimit::new(PER_KEY, IN_ALL),
            holds: Arc::default(),
        }
    }

    /// Whether a request that got no lock runs without it.
    pub(crate) fn opens(&self, error: &Error) -> bool {
        let opens = self.fail_open && is_outage(error);
        if opens {
            events::runs_unlocked(error);
        }
        opens
    }

    /// Asks for the lock, kept alive until it is released. Where the request may run without it, an outage is not waited
    /// for.
    pub(crate) fn acquire(&self, key: String) -> Acquire {
        let mut options = redlock::LockOptions::default();
        options.ttl = self.ttl;
        options.wait = self.wait;
        options.fencing = self.fencing.then_some(true);
        options.max_hold = self.max_hold;
        options.dedupe_for = self.dedupe_for;
        options.reentrant = self.reentrant;
        options.fail_fast = self.fail_open;
        options.max_waiters = Some(self.max_waiters.clone());
        self.redlock.lock(key).options(options).into_future()
    }
}
