//! The first contact of a runtime with the nodes.
//!
//! A connection takes several round trips, and a command only one. So the first commands wait until a majority is
//! connected, or cannot be any more, before their own time begins.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::sync::watch;

use crate::quorum::votes::NodeSet;

#[derive(Debug)]
pub(super) struct FirstContact {
    /// It has been made, or has failed.
    over: AtomicBool,
    heard: watch::Sender<Heard>,
}

/// What became of the first attempts to connect.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    connected: NodeSet,
    failed: NodeSet,
}

impl FirstContact {
    pub(super) fn new() -> Self {
        Self {
            over: AtomicBool::new(false),
            heard: watch::Sender::new(Heard::default()),
        }
    }

    /// An attempt to connect to a node has ended.
    pub(super) fn attempted(&self, node: usize, connected: bool) {
        if self.over.load(Relaxed) {
            return;
        }
        self.heard.send_modify(|heard| match connected {
            true => heard.connected.insert(node),
            false => heard.failed.insert(node),
        });
    }

    /// Waits until `quorum` of `nodes` are connected, or so many have failed that the rest are not enough. Cancel safe.
    pub(super) async fn made(&self, nodes: usize, quorum: usize) {
        if self.over.load(Relaxed) {
            return;
        }
        let enough = |heard: &Heard| {
            let failed = heard.failed.minus(heard.connected).len();
            heard.connected.len() >= quorum || nodes - failed < quorum
        };
        // The other end is this very value.
        let _ = self.heard.subscribe().wait_for(enough).await;
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
    fn a_majority_is_enough() {
        let contact = FirstContact::new();
        assert!(!poll_once(contact.made(3, 2)));
        contact.attempted(0, true);
        contact.attempted(1, false);
        assert!(!poll_once(contact.made(3, 2)));
        contact.attempted(1, true);
        assert!(poll_once(contact.made(3, 2)));
    }

    #[test]
    fn so_is_the_loss_of_one() {
        let contact = FirstContact::new();
        contact.attempted(2, false);
        assert!(!poll_once(contact.made(3, 2)));
        contact.attempted(0, false);
        assert!(poll_once(contact.made(3, 2)));
    }
}
