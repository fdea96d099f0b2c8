//! Holds that readers of one process share: a reader joins a young hold without a round trip, all readers that wait join the
//! first one that is granted, and a hold is released after its last reader.
//!
//! A hold may be joined until it is [`MAX_AGE`] old. Later readers ask the nodes, where a writer may wait: otherwise the readers
//! of one process could keep writers out for ever.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use crate::{
    env::{clock::Instant, sync::lock},
    key::Key,
    lease::{Hold, HoldOptions, LeaseOptions, Window},
};

/// How long a hold may be joined after its grant.
const MAX_AGE: Duration = Duration::from_millis(100);

/// The holds of a client that further readers may join. An entry is removed with its hold.
#[derive(Debug, Default)]
pub(super) struct SharedHolds {
    latest: Mutex<HashMap<Arc<Key>, Weak<SharedHold>>>,
}

/// A hold of several guards. It is released when the last of them is dropped.
#[derive(Debug)]
pub(crate) struct SharedHold {
    hold: Arc<Hold>,
    limits: HoldOptions,
    granted_at: Instant,
    all: Arc<SharedHolds>,
}

impl SharedHolds {
    /// Returns a young hold of a reader of `key` with the same options, if there is one.
    pub(super) fn join(
        &self,
        key: &Arc<Key>,
        options: &LeaseOptions,
        limits: HoldOptions,
    ) -> Option<Arc<SharedHold>> {
        let found = lock(&self.latest).get(key)?.upgrade()?;
        let lease = found.hold.lease();
        let is_young = lease.core().now().saturating_since(found.granted_at) < MAX_AGE
            && lease.remaining() >= options.ttl / 2;
        (is_young && found.fits(options, limits) && found.hold.is_open()).then_some(found)
    }

    /// Adds a hold that was just granted, for others to join.
    pub(super) fn add(self: &Arc<Self>, hold: Arc<Hold>, limits: HoldOptions) -> Arc<SharedHold> {
        let key = Arc::clone(hold.lease().key());
        let shared = Arc::new(SharedHold {
            granted_at: hold.lease().core().now(),
            hold,
            limits,
            all: Arc::clone(self),
        });
        if shared.is_shareable() {
            lock(&self.latest).insert(key, Arc::downgrade(&shared));
        }
        shared
    }
}

/// Whether others may join a hold with these limits.
fn is_shareable(limits: HoldOptions) -> bool {
    limits.max_hold.is_none() && limits.at_least.is_zero()
}

impl SharedHold {
    pub(crate) fn hold(&self) -> &Arc<Hold> {
        &self.hold
    }

    /// Whether any other reader may join the hold.
    pub(super) fn is_shareable(&self) -> bool {
        is_shareable(self.limits)
    }

    /// Whether a reader with these options and limits may join the hold, if any may.
    pub(super) fn fits(&self, options: &LeaseOptions, limits: HoldOptions) -> bool {
        is_shareable(limits) && self.hold.lease().options() == options
    }
}

impl Drop for SharedHold {
    fn drop(&mut self) {
        let key = self.hold.lease().key();
        {
            let mut latest = lock(&self.all.latest);
            // The entry of a later hold stays.
            if latest.get(key).is_some_and(|hold| hold.strong_count() == 0) {
                latest.remove(key);
            }
        }
        // An error means that the hold has ended, as after an awaited release.
        let _ = self
            .hold
            .release(Window::RestOfAtLeast, !std::thread::panicking());
    }
}
