//! Deferral: letting a process that was notified of a release take the lock first.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::env::sync::lock;

/// How long to yield to a process that our release notified. Longer than the second process of the waitlist yields to the
/// first, so that it comes before us too.
const DEFERRAL: Duration = Duration::from_millis(10);
/// Maximum number of locks. Beyond it the oldest is dropped, and we may take that lock before the
/// other process.
const MAX_LOCKS: usize = 1_024;

/// The locks whose release notified another process, each until its deferral is over.
#[derive(Debug, Default)]
pub(crate) struct Deferrals {
    locks: Mutex<Locks>,
    any: AtomicBool,
}

#[derive(Debug, Default)]
struct Locks {
    until: HashMap<Arc<str>, Instant>,
    /// In the order of their ends. A key that was deferred again is listed twice.
    order: VecDeque<(Instant, Arc<str>)>,
}

impl Deferrals {
    /// A release of `key` notified another process.
    pub(crate) fn add(&self, key: &str) {
        let now = Instant::now();
        let mut locks = lock(&self.locks);
        locks.forget(now);
        // Each node reports the same release.
        if locks
            .until
            .get(key)
            .is_some_and(|until| *until > now + DEFERRAL / 2)
        {
            return;
        }
        let (key, until) = (Arc::<str>::from(key), now + DEFERRAL);
        locks.until.insert(Arc::clone(&key), until);
        locks.order.push_back((until, key));
        if locks.order.len() > MAX_LOCKS {
            locks.forget_first();
        }
        self.any.store(true, Relaxed);
    }

    /// How much longer to yield to another process for `key`.
    pub(crate) fn deferral(&self, key: &str) -> Option<Duration> {
        if !self.any.load(Relaxed) {
            return None;
        }
        let now = Instant::now();
        let mut locks = lock(&self.locks);
        locks.forget(now);
        self.any.store(!locks.order.is_empty(), Relaxed);
        locks.until.get(key).map(|until| *until - now)
    }
}

impl Locks {
    /// Removes the deferrals that are over.
    fn forget(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            self.forget_first();
        }
        if self.order.is_empty() && self.order.capacity() > 64 {
            // Shrinks the memory after a burst.
            *self = Self::default();
        }
    }

    fn forget_first(&mut self) {
        if let Some((until, key)) = self.order.pop_front()
            && self.until.get(&key) == Some(&until)
        {
            self.until.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deferral_lasts_for_a_while_and_is_then_removed() {
        let deferrals = Deferrals::default();
        assert_eq!(deferrals.deferral("a"), None);
        deferrals.add("a");
        deferrals.add("a");
        assert_eq!(deferrals.deferral("a"), Some(DEFERRAL));
        assert_eq!(deferrals.deferral("b"), None);
        tokio::time::advance(DEFERRAL * 3 / 4).await;
        deferrals.add("a");
        tokio::time::advance(DEFERRAL / 2).await;
        assert_eq!(
            deferrals.deferral("a"),
            Some(DEFERRAL / 2),
            "notified again"
        );
        tokio::time::advance(DEFERRAL / 2).await;
        assert_eq!(deferrals.deferral("a"), None);
        assert!(lock(&deferrals.locks).until.is_empty());
        assert!(!deferrals.any.load(Relaxed));
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_deferrals_is_bounded() {
        let deferrals = Deferrals::default();
        for key in 0..3 * MAX_LOCKS {
            deferrals.add(&key.to_string());
        }
        assert_eq!(lock(&deferrals.locks).until.len(), MAX_LOCKS);
        assert_eq!(lock(&deferrals.locks).order.len(), MAX_LOCKS);
        assert_eq!(deferrals.deferral("0"), None);
        tokio::time::advance(DEFERRAL).await;
        deferrals.add("another");
        assert_eq!(lock(&deferrals.locks).until.len(), 1);
    }
}
