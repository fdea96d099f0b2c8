//! A turn: the right to ask the nodes for a key.

use std::sync::Arc;

use super::{History, LocalQueue, Outcome, Wants, permit_waiters::PermitWaiters};
use crate::{
    acquire::shared_holds::SharedHold,
    env::sync::lock,
    error::Error,
    key::Key,
    lease::{Lease, LeaseOptions, LocalWaiters},
};

/// If it is dropped without a grant, the next waiter gets the turn.
#[derive(Debug)]
pub(crate) struct Turn {
    queue: Arc<LocalQueue>,
    key: Arc<Key>,
    history: History,
    /// Not yet passed on.
    pending: bool,
}

impl Turn {
    pub(super) fn new(queue: &Arc<LocalQueue>, key: &Arc<Key>, history: History) -> Self {
        Self {
            queue: Arc::clone(queue),
            key: Arc::clone(key),
            history,
            pending: true,
        }
    }

    /// A turn outside of the queue, which is not passed on.
    pub(super) fn beside(queue: &Arc<LocalQueue>, key: &Arc<Key>) -> Self {
        let mut turn = Self::new(queue, key, History::default());
        turn.pending = false;
        turn
    }

    pub(in crate::acquire) fn history(&self) -> &History {
        &self.history
    }

    /// How many requests wait for this turn. A lease reserves a block of tokens for them.
    pub(in crate::acquire) fn waiting(&self) -> usize {
        self.queue.waiting(&self.key)
    }

    /// An attempt failed. `outage`: because no quorum could vote.
    pub(in crate::acquire) fn attempt_failed(&self, outage: Option<Error>) {
        if self.pending
            && let Some(entry) = lock(&self.queue.entries).get_mut(&self.key)
        {
            match (&mut entry.waiters, outage) {
                (None, None) => {}
                (waiters, outage) => waiters.get_or_insert_default().outage = outage,
            }
        }
    }

    /// No quorum answered: fails the waiters that do not wait for one.
    pub(in crate::acquire) fn fail_fast(&self, error: &Error) {
        for waiter in self.queue.take_those(&self.key, |wants| wants.fail_fast) {
            // An error means that the waiter gave up.
            let _ = waiter.sender.send(Outcome::NoQuorum(error.clone()));
        }
    }

    /// The nodes refuse for a reason that stays: fails the waiters that ask for the same as the one that found out.
    pub(in crate::acquire) fn fail_those_like(
        &self,
        lease: LeaseOptions,
        permits: Option<u16>,
        error: &Error,
    ) {
        let alike = |wants: &Wants| wants.lease == lease && wants.permits == permits;
        for waiter in self.queue.take_those(&self.key, alike) {
            // An error means that the waiter gave up.
            let _ = waiter.sender.send(Outcome::NoQuorum(error.clone()));
        }
    }

    /// Lets the waiting readers that may share this hold join it now. One after the other, each would find that the one before
    /// has left already.
    pub(in crate::acquire) fn share(&self, hold: &Arc<SharedHold>) {
        let fits = |wants: &Wants| hold.fits(&wants.lease, wants.hold);
        for waiter in self.queue.take_those(&self.key, fits) {
            // A waiter that gave up leaves the hold again.
            let _ = waiter.sender.send(Outcome::Shared(Arc::clone(hold)));
        }
    }

    /// Gives the turn to `lease`.
    pub(in crate::acquire) fn granted(&mut self, lease: &Arc<Lease>) {
        self.pending = false;
        if let Some(entry) = lock(&self.queue.entries).get_mut(&self.key) {
            entry.holder = Arc::downgrade(lease);
            if let Some(waiters) = &mut entry.waiters {
                waiters.outage = None;
                waiters.release_before = self.history.last_release.take();
            }
        }
        lease.set_local_waiters(Arc::clone(&self.queue) as Arc<dyn LocalWaiters>);
    }

    /// Like [`granted`](Self::granted), for one of `permits`. The next waiter gets the turn at once, because other permits may be
    /// free.
    pub(in crate::acquire) fn granted_permit(&mut self, lease: &Arc<Lease>, permits: u16) {
        lease.set_local_waiters(Arc::new(PermitWaiters {
            queue: Arc::clone(&self.queue),
            key: Arc::clone(&self.key),
            permits,
        }));
        self.attempt_failed(None);
        self.pass_on();
    }

    /// Forgets a turn that could not be delivered, without passing it on.
    pub(super) fn forget(mut self) {
        self.pending = false;
    }

    fn pass_on(&mut self) {
        if std::mem::take(&mut self.pending) {
            self.queue.pass_on(&self.key, None);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.pass_on();
    }
}
