//! Detaching: a hold ends here without a release, so that another process can continue with the lock.

use std::sync::Arc;

use super::{Hold, Lease};
use crate::{env::clock::Instant, error::Error, lock_kind::Claim};

/// What was held, as the nodes know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Detached {
    pub(crate) claim: Claim,
    /// Until when a majority of the nodes holds it.
    pub(crate) until: Instant,
}

impl Hold {
    /// Ends the hold and its lease, at once and for good: nothing is extended or released from here on. An extension on
    /// its way may still raise the expiry on a node, and is refused if the lock was adopted.
    pub(crate) fn detach(&self) -> Result<Detached, Error> {
        if !self.end_detached() {
            return Err(self.lost_error());
        }
        self.lease().detach().ok_or_else(|| self.lost_error())
    }
}

impl Lease {
    /// `None` if it was lost before.
    fn detach(self: &Arc<Self>) -> Option<Detached> {
        if !self.state.detach() {
            return None;
        }
        // The next local waiter asks the nodes.
        self.notify_local_waiters(None, None);
        Some(Detached {
            claim: self.claim(),
            until: self.valid_until(),
        })
    }
}
