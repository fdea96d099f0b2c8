//! The local waiters of a semaphore, as a lease of one of its permits sees them.

use std::{sync::Arc, time::Duration};

use super::LocalQueue;
use crate::{
    key::Key,
    lease::{Lease, LocalWaiters},
    round::Round,
};

#[derive(Debug)]
pub(super) struct PermitWaiters {
    pub(super) queue: Arc<LocalQueue>,
    /// The key of all permits.
    pub(super) key: Arc<Key>,
    /// How many permits the semaphore has: a request that names another number gets an error from the nodes, not a permit.
    pub(super) permits: u16,
}

impl LocalWaiters for PermitWaiters {
    fn hand_over(self: Arc<Self>, lease: &Arc<Lease>) -> bool {
        self.queue
            .hand_over_for(&self.key, Some(self.permits), lease)
    }

    /// A refusal does not show that another process waits, because this process may hold the other permits itself. So each
    /// lease is released after the maximum time of a hand-over.
    fn is_contended(&self, _: &Key) -> bool {
        false
    }

    /// No request waits for this permit in particular: the request that has the turn takes any permit.
    fn lease_ended(self: Arc<Self>, _: &Lease, _: Option<&Arc<Round>>, _: Option<Duration>) {}
}
