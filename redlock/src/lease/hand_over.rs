//! Hand-over: a lease passes to the next local waiter without a round trip, for a limited time.

use std::{fmt, sync::Arc, time::Duration};

use super::Lease;
use crate::{env::sync::lock, key::Key, round::Round};

/// Maximum number of holds of a lease while another process waits for the key.
const MAX_HOLDS: u8 = 16;
/// Maximum time a lease is handed over locally before it is released.
const MAX_TIME: Duration = Duration::from_millis(100);
/// While no other process is known to wait, the time starts at `MAX_TIME / 2^DOUBLINGS` and doubles with each lease after which
/// none was seen: only a release shows whether another process waits.
const DOUBLINGS: u8 = 4;

/// The waiters for the same key in this process.
pub(crate) trait LocalWaiters: Send + Sync + fmt::Debug {
    /// Hands the lease over to the next waiter, if it wants the same options. Returns whether it did.
    fn hand_over(self: Arc<Self>, lease: &Arc<Lease>) -> bool;

    /// Whether another process waits for `key`, by the replies to the release before this lease.
    fn is_contended(&self, key: &Key) -> bool;

    /// The lease has ended, by `release` unless it was lost: the next waiter asks the nodes. With a `window`, the key is in a
    /// cool-down, and all waiters fail.
    fn lease_ended(
        self: Arc<Self>,
        lease: &Lease,
        release: Option<&Arc<Round>>,
        window: Option<Duration>,
    );
}

/// Bounds how long a lease is handed over, so that waiters of other processes get their share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandOverLimit {
    /// Another process was seen to hold or to want the key.
    pub(crate) contended: bool,
    /// The most holds while another process waits.
    max_holds: u8,
    /// How many leases in a row ended here without a sign of another process.
    pub(crate) uncontended: u8,
}

impl HandOverLimit {
    /// Until [`MAX_TIME`] is over, however many holds.
    pub(crate) const LONGEST: Self = Self {
        contended: false,
        max_holds: MAX_HOLDS,
        uncontended: DOUBLINGS,
    };

    /// `waiting`: how many waited in this process when the lease was granted. While another process waits, each of them
    /// has one hold, and later ones wait for the next lease.
    pub(crate) fn new(contended: bool, waiting: usize, uncontended: u8) -> Self {
        let holds = waiting.saturating_add(1);
        Self {
            contended,
            max_holds: u8::try_from(holds).map_or(MAX_HOLDS, |holds| holds.min(MAX_HOLDS)),
            uncontended,
        }
    }

    /// Whether one more hold may follow, `held` after the grant.
    fn allows(self, contended: bool, held: Duration, holds: u32) -> bool {
        if self.contended || contended {
            held < MAX_TIME && holds < u32::from(self.max_holds)
        } else {
            let halvings = DOUBLINGS.saturating_sub(self.uncontended);
            held < MAX_TIME / 2_u32.pow(u32::from(halvings))
        }
    }
}

impl Lease {
    /// The hold has ended: the lease is handed over, or released. `None` if no release was sent.
    pub(super) fn end_hold(
        self: &Arc<Self>,
        may_hand_over: bool,
        window: Option<Duration>,
    ) -> Option<Arc<Round>> {
        if may_hand_over && window.is_none() {
            let waiters = lock(&self.holds).local_waiters.clone();
            if let Some(waiters) = waiters
                && self.can_be_handed_over(|| waiters.is_contended(&self.key))
                && waiters.hand_over(self)
            {
                return None;
            }
        }
        if !self.state.release() {
            return None;
        }
        let release = self.send_release(window);
        self.notify_local_waiters(Some(&release), window);
        Some(release)
    }

    /// Whether the lease is within its limit, and at least half of its ttl is left.
    fn can_be_handed_over(&self, contended: impl FnOnce() -> bool) -> bool {
        let now = self.core.now();
        let held = now.saturating_since(self.granted_at);
        let limit = self.hand_over_limit;
        let contended = limit.contended || contended();
        limit.allows(contended, held, lock(&self.holds).count)
            && held < self.options.ttl
            && self.state.is_open()
            && self.valid_until().saturating_since(now) >= self.options.ttl / 2
    }

    /// Lets the local waiters continue, behind the release. Once.
    pub(super) fn notify_local_waiters(
        &self,
        release: Option<&Arc<Round>>,
        window: Option<Duration>,
    ) {
        let waiters = lock(&self.holds).local_waiters.take();
        if let Some(waiters) = waiters {
            waiters.lease_ended(self, release, window);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn while_another_process_waits_each_local_waiter_has_one_hold() {
        let limit = HandOverLimit::new(true, 2, 0);
        assert!(limit.allows(false, MS, 2));
        assert!(!limit.allows(false, MS, 3));
        let contended = HandOverLimit::new(true, 1_000, 0);
        assert!(!contended.allows(false, MS, u32::from(MAX_HOLDS)));
    }

    #[test]
    fn contention_noticed_during_the_lease_counts_too() {
        let limit = HandOverLimit::new(false, 2, DOUBLINGS);
        assert!(limit.allows(false, MS, 1_000));
        assert!(!limit.allows(true, MS, 1_000));
    }

    #[test]
    fn the_time_doubles_with_each_uncontended_lease_up_to_the_maximum() {
        let first = HandOverLimit::new(false, 1, 0);
        assert!(first.allows(false, 6 * MS, 1));
        assert!(!first.allows(false, 7 * MS, 1));
        let last = HandOverLimit::new(false, 1, u8::MAX);
        assert!(last.allows(false, 99 * MS, 1));
        assert!(!last.allows(false, MAX_TIME, 1));
    }
}
