//! A hold: one turn in a lease, as one guard has it.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicU8,
            Ordering::{Acquire, SeqCst},
        },
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::{HoldTerms, LOST, Lease, OPEN, RELEASED};
use crate::{
    clock::Instant,
    error::Error,
    mutant::{self, Mutant},
    protocol::token::FencingToken,
    round::Round,
};

/// One turn.
#[derive(Debug)]
pub(crate) struct Hold {
    lease: Arc<Lease>,
    token: FencingToken,
    terms: HoldTerms,
    since: Instant,
    state: AtomicU8,
    ended: Notify,
}

impl Hold {
    pub(super) fn new(lease: &Arc<Lease>, token: FencingToken, terms: HoldTerms) -> Arc<Self> {
        Arc::new(Self {
            lease: Arc::clone(lease),
            token,
            terms,
            since: lease.core.now(),
            state: AtomicU8::new(OPEN),
            ended: Notify::new(),
        })
    }

    pub(crate) fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    pub(crate) fn token(&self) -> FencingToken {
        self.token
    }

    /// How much longer the turn may be relied on; zero when it has ended.
    pub(crate) fn remaining(&self) -> Duration {
        if self.state.load(Acquire) != OPEN {
            return Duration::ZERO;
        }
        let held = self.lease.core.now().saturating_since(self.since);
        let most = self
            .terms
            .max_hold
            .map_or(Duration::MAX, |most| most.saturating_sub(held));
        self.lease.remaining().min(most)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lapse();
        self.state.load(Acquire) == OPEN
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lapse();
        self.state.load(Acquire) == LOST
    }

    pub(crate) fn lost_error(&self) -> Error {
        match self.state.load(Acquire) {
            RELEASED => Error::lost(self.lease.key().lock(), "it was released before"),
            _ => self.lease.lost_error(),
        }
    }

    /// One extension of the lease, to its full ttl. Cancel safe: what was sent may still be carried out.
    pub(crate) async fn extend(&self) -> Result<(), Error> {
        if !self.is_open() {
            return Err(self.lost_error());
        }
        self.lease.extend().await
    }

    /// Resolves when the turn has ended, lost or released: at the latest when its validity is over.
    pub(crate) async fn ended(self: Arc<Self>) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Registered before the look, so that no wake-up is missed in between.
            ended.as_mut().enable();
            if !self.is_open() {
                return;
            }
            // Timers stop while the machine sleeps, the validity does not: look now and then.
            let look_again = if mutant::on(Mutant::LostUntold) {
                Duration::MAX
            } else {
                self.remaining().min(Duration::from_secs(1))
            };
            tokio::select! {
                biased;
                () = ended => {}
                () = tokio::time::sleep(look_again) => {}
            }
        }
    }

    /// Ends the turn, at once and without waiting: `Err` if it had ended before, and the release where one was sent.
    ///
    /// With a `window` the key stays busy for it; without one it does for what is left of `at_least`. Otherwise the
    /// lease may go to the next in line, unless the turn did not end well.
    pub(crate) fn release(
        &self,
        window: Option<Duration>,
        ended_well: bool,
    ) -> Result<Option<Arc<Round>>, Error> {
        self.lapse();
        if !self.close(RELEASED) {
            return Err(self.lost_error());
        }
        self.ended.notify_waiters();
        let window = window.or_else(|| self.rest_of_at_least());
        Ok(self.lease.next(ended_well, window))
    }

    /// The lease is lost, and the turn with it.
    pub(super) fn lost(&self) {
        if self.close(LOST) {
            self.ended.notify_waiters();
        }
    }

    pub(super) fn rest_of_at_least(&self) -> Option<Duration> {
        let held = self.lease.core.now().saturating_since(self.since);
        let rest = self.terms.at_least.saturating_sub(held);
        (!rest.is_zero()).then_some(rest)
    }

    /// A turn whose time is over is lost, and its lease with it: whoever holds it may still be at work.
    fn lapse(&self) {
        if self.state.load(Acquire) != OPEN {
            return;
        }
        let held = self.lease.core.now().saturating_since(self.since);
        if self.terms.max_hold.is_some_and(|most| held >= most) {
            self.lease.lose("its maximum hold time is over");
        } else {
            self.lease.lapse();
        }
    }

    fn close(&self, to: u8) -> bool {
        self.state
            .compare_exchange(OPEN, to, SeqCst, SeqCst)
            .is_ok()
    }
}

/// A turn on its way to the next in line. Dropped on the way: it is released, so that nobody waits for it.
#[derive(Debug)]
pub(crate) struct Unclaimed(Option<Arc<Hold>>);

impl Unclaimed {
    pub(crate) fn new(hold: Arc<Hold>) -> Self {
        Self(Some(hold))
    }

    pub(crate) fn claim(mut self) -> Option<Arc<Hold>> {
        self.0.take()
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(hold) = self.0.take() {
            // An error says that it has ended already, which is as good.
            let _ = hold.release(None, true);
        }
    }
}
