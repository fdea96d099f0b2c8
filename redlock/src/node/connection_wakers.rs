//! Wakes the connections of a client, in whatever runtime they are.

use std::sync::{Arc, Mutex, Weak};

use futures_util::task::AtomicWaker;

use crate::env::sync::lock;

/// The wakers of the connections that have not ended.
#[derive(Debug, Default)]
pub(crate) struct ConnectionWakers(Mutex<Vec<Weak<AtomicWaker>>>);

impl ConnectionWakers {
    pub(super) fn add(&self, waker: &Arc<AtomicWaker>) {
        let mut wakers = lock(&self.0);
        wakers.retain(|other| other.strong_count() > 0);
        wakers.push(Arc::downgrade(waker));
    }

    pub(super) fn wake(&self) {
        // After the lock is released, since a waker may run code of a runtime.
        let wakers: Vec<_> = lock(&self.0).iter().filter_map(Weak::upgrade).collect();
        for waker in wakers {
            waker.wake();
        }
    }
}
