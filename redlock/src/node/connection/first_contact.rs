//! The first contact of a runtime with the nodes.
//!
//! Connecting takes several round trips, a command only one. So the first commands wait until a
//! majority is connected, or can no longer be, before their own time-out begins.

use std::{
    pin::pin,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tokio::sync::Notify;

use crate::{env::sync::lock, quorum::node_set::NodeSet};

#[derive(Debug)]
pub(in crate::node) struct FirstContact {
    /// It was made or has failed.
    over: AtomicBool,
    attempts: Mutex<Attempts>,
    /// Wakes the waiting tasks in their order. A `watch` channel wakes them in random order, so a
    /// history of the simulation would not be reproducible.
    changed: Notify,
}

/// The outcome of the first attempts to connect.
#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    connected: NodeSet,
    failed: NodeSet,
}

impl FirstContact {
    pub(in crate::node) fn new() -> Self {
        Self {
            over: AtomicBool::new(false),
            attempts: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// An attempt to connect to a node has ended.
    pub(in crate::node) fn attempted(&self, node: usize, connected: bool) {
        if self.over.load(Relaxed) {
            return;
        }
        let mut attempts = lock(&self.attempts);
        match connected {
            true => attempts.connected.insert(node),
            false => attempts.failed.insert(node),
        }
        drop(attempts);
        self.changed.notify_waiters();
    }

    /// Waits until `quorum` of `nodes` are connected, or too many have failed for that. Cancel
    /// safe.
    pub(in crate::node) async fn made(&self, nodes: usize, quorum: usize) {
        if self.over.load(Relaxed) {
            return;
        }
        let enough = || {
            let Attempts { connected, failed } = *lock(&self.attempts);
            connected.len() >= quorum || nodes - failed.difference(connected).len() < quorum
        };
        loop {
            let mut changed = pin!(self.changed.notified());
            // Registered before the check, so that no change is missed in between.
            changed.as_mut().enable();
            if enough() {
                break;
            }
            changed.await;
        }
        self.over.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Whether a future is ready at once.
    fn poll_once(future: impl Future) -> bool {
        let future = std::pin::pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        matches!(future.poll(&mut context), Poll::Ready(_))
    }

    #[test]
    fn the_wait_ends_with_a_majority() {
        let contact = FirstContact::new();
        assert!(!poll_once(contact.made(3, 2)));
        contact.attempted(0, true);
        contact.attempted(1, false);
        assert!(!poll_once(contact.made(3, 2)));
        contact.attempted(1, true);
        assert!(poll_once(contact.made(3, 2)));
    }

    #[test]
    fn the_wait_ends_when_no_majority_is_possible() {
        let contact = FirstContact::new();
        contact.attempted(2, false);
        assert!(!poll_once(contact.made(3, 2)));
        contact.attempted(0, false);
        assert!(poll_once(contact.made(3, 2)));
    }
}
