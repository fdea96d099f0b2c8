//! Loss: a lease that can no longer be relied on. Its key is released once no body runs under it any more, so that the next
//! holder does not run beside a body that has not stopped yet.

use std::{sync::Arc, time::Duration};

use super::{AfterLoss, Lease, state::Loss};
use crate::{env::sync::lock, events::lock as events, round::Round};

impl Lease {
    /// Once the validity of a lease is over, ends it as lost, whatever the nodes would answer. Releases the key if the lease was
    /// lost before, and its body still runs.
    pub(crate) fn check_validity(self: &Arc<Self>) {
        if self.state.is_released() || self.core.now() < self.valid_until() {
            return;
        }
        if self.state.is_open() {
            self.lose(Loss::Expired);
        } else {
            self.release_lost();
        }
    }

    /// [`Redlock::force_release`](crate::Redlock::force_release) of the same client took the lock. When another client takes
    /// it, the next renewal finds that the lock is gone.
    pub(crate) fn force_released(self: &Arc<Self>) {
        self.lose(Loss::ForceReleased);
    }

    /// A newer request for the same lock was announced: see [`newest_wins`](crate::LockRequest::newest_wins).
    pub(crate) fn superseded(self: &Arc<Self>) {
        self.lose(Loss::Superseded);
    }

    /// For how much longer the lease keeps the key from others. `None` if its validity is over, or if it has
    /// ended and no body runs under it.
    pub(crate) fn blocks_key_for(&self) -> Option<Duration> {
        let left = self.remaining();
        let blocks = self.state.is_open() || self.releases_after_body();
        (blocks && !left.is_zero()).then_some(left)
    }

    /// The release of a lost lease, once it was sent.
    pub(crate) fn release_of_lost(&self) -> Option<Arc<Round>> {
        let holds = lock(&self.holds);
        holds.lost.as_ref().and_then(|lost| lost.release.clone())
    }

    pub(super) fn releases_after_body(&self) -> bool {
        lock(&self.holds).releases_after_body()
    }

    pub(super) fn since_lost(&self) -> Duration {
        let lost_at = lock(&self.holds).lost.as_ref().map(|lost| lost.lost_at);
        let now = self.core.now();
        lost_at.map_or(Duration::ZERO, |at| now.saturating_since(at))
    }

    /// Ends the lease as lost, and its hold, unless it has ended before.
    pub(super) fn lose(self: &Arc<Self>, loss: Loss) {
        if !self.state.lose(loss) {
            return;
        }
        let held = || self.core.now().saturating_since(self.granted_at);
        match loss {
            Loss::Superseded => events::superseded(&self.key, self.last_token(), held),
            _ => events::lost(
                &self.key,
                self.last_token(),
                (loss.reason(), loss.label()),
                held,
            ),
        }
        // The loss may be noticed late.
        let now = self.core.now().min(self.valid_until());
        let hold = {
            let mut holds = lock(&self.holds);
            let hold = holds.current.upgrade();
            holds.lost = Some(Box::new(AfterLoss {
                lost_at: hold.as_ref().map_or(now, |hold| now.min(hold.ends())),
                releasing_after: hold.clone(),
                release: None,
            }));
            hold
        };
        let Some(hold) = hold else {
            return self.send_release_of_lost(None);
        };
        hold.lose(loss);
        if hold.running_body().is_none() || self.remaining().is_zero() {
            self.release_lost();
        }
    }

    /// Sends the release that a lost lease put off until its bodies have ended. Once.
    pub(super) fn release_lost(self: &Arc<Self>) {
        let hold = {
            let mut holds = lock(&self.holds);
            let lost = holds.lost.as_mut();
            lost.and_then(|lost| lost.releasing_after.take())
        };
        let Some(hold) = hold else {
            return;
        };
        if let Some(body) = hold.running_body() {
            events::body_runs_unlocked(&self.key, body, self.since_lost());
        }
        self.send_release_of_lost(hold.rest_of_at_least());
    }

    fn send_release_of_lost(&self, window: Option<Duration>) {
        let release = self.send_release(window);
        if let Some(lost) = &mut lock(&self.holds).lost {
            lost.release = Some(release);
        }
        // They neither wait for the release nor fail for a cool-down: only the nodes know who holds the key now.
        self.notify_local_waiters(None, None);
    }
}
