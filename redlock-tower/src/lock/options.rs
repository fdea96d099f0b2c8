//! What to ask of the lock, and asking for it.

use super::{Acquiring, Keyless, Refused, Waiters};
use redlock::{LockRequest, Redlock};
use std::{sync::Arc, time::Duration};

/// What happens to a running request whose lock can no longer be relied on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnLost {
    /// It is cancelled: the handler's future is dropped at its next await point, the answer is 503.
    #[default]
    Cancel,
    /// It runs on; the handler watches [`HeldLock::lost`](crate::HeldLock::lost) itself.
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
    pub(crate) dedupe_for: Option<Duration>,
    pub(crate) waiters: Arc<Waiters>,
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
            dedupe_for: None,
            waiters: Arc::default(),
        }
    }

    /// Asks for the lock, kept alive until it is released.
    pub(crate) fn acquire(&self, key: String) -> Result<Acquiring, Refused> {
        // one look takes no place in the queue
        let place = match self.wait {
            Some(Duration::ZERO) => None,
            _ => Some(self.waiters.enter(&key).ok_or(Refused::TooManyWaiters)?),
        };
        Ok(Acquiring::new(self.request(key), place))
    }

    /// Whether a request that got no lock runs without it.
    pub(crate) fn opens(&self, refused: &Refused) -> bool {
        match refused.outage() {
            Some(error) if self.fail_open => {
                tracing::warn!(error = %Keyless(error), "no quorum: a request runs without its lock");
                true
            }
            _ => false,
        }
    }

    fn request(&self, key: String) -> LockRequest {
        let mut request = self
            .redlock
            .lock(key)
            .keep_alive(true)
            .reentrant(self.reentrant);
        if let Some(ttl) = self.ttl {
            request = request.ttl(ttl);
        }
        if let Some(wait) = self.wait {
            request = request.wait(wait);
        }
        if let Some(most) = self.max_hold {
            request = request.max_hold(most);
        }
        request
    }
}
