//! Wake-ups between processes: who waits here for what, and what the nodes tell.
//!
//! A release tells the process that has waited longest. A wake-up is a hint and never more: a waiter that hears none
//! looks for itself after a while.

mod deferral;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::Notify;

use super::ReplySink;
use crate::command::{LeaveWaitlist, Owner, Reply, Request, SECOND};
use crate::{env::sync::lock, key::Key, quorum::node_set::NodeSet};
use deferral::Deferrals;

/// How long after the first node that told of a release the others are waited for; and how long who comes second
/// leaves it to the first.
const GATHER: Duration = Duration::from_millis(5);
/// What a client knows of wake-ups.
#[derive(Debug, Default)]
pub(crate) struct Notifications {
    /// The waiters here, by the lock they wait for; one a lock, the head of its line. Empty where nobody waits.
    waiting: Mutex<HashMap<Box<str>, Arc<Wake>>>,
    /// The locks that others are about to take.
    told: Deferrals,
}

#[derive(Debug)]
struct Wake {
    quorum: usize,
    heard: Mutex<Heard>,
    rung: Notify,
}

/// What nodes told since the last look.
#[derive(Debug, Default)]
struct Heard {
    /// The last release.
    by: String,
    /// Which nodes told this waiter to take the lock then.
    nodes: NodeSet,
    /// A node told it to see whether the first in line did.
    second: bool,
    /// What else is told of this release comes too late.
    seen: bool,
    /// A connection was lost.
    interrupted: bool,
}

/// What a waiter was told of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notification {
    /// To take the lock, by a majority of the nodes.
    First,
    /// The same, by fewer: others were told as well, or too few nodes are free.
    Doubtful,
    /// To see whether the first in line took it.
    Second,
    /// Notifications may have been missed: a connection that brings them was lost.
    Interrupted,
}

impl Notification {
    /// Whether nodes have struck the waiter off: it stands in line again when it asks, or tells them.
    pub(crate) fn left_waitlist(self) -> bool {
        matches!(self, Self::First | Self::Doubtful)
    }
}

/// Waits for the release of a lock. Dropped: no longer.
#[derive(Debug)]
pub(crate) struct Subscriber {
    notifications: Arc<Notifications>,
    key: Box<str>,
    wake: Arc<Wake>,
}

impl Notifications {
    pub(crate) fn wait(self: &Arc<Self>, key: &str, quorum: usize) -> Subscriber {
        let wake = Arc::new(Wake {
            quorum,
            heard: Mutex::default(),
            rung: Notify::new(),
        });
        lock(&self.waiting).insert(key.into(), Arc::clone(&wake));
        Subscriber {
            notifications: Arc::clone(self),
            key: key.into(),
            wake,
        }
    }

    /// A node told that `by` released `key`. Says whether anybody waits for it here.
    pub(crate) fn ring(&self, key: &str, by: &str, node: usize) -> bool {
        let Some(wake) = lock(&self.waiting).get(key).cloned() else {
            return false;
        };
        let heard = lock(&wake.heard).hear(by, node);
        if heard == 1 || heard == wake.quorum {
            wake.rung.notify_one();
        }
        true
    }

    /// A connection was lost that brings notifications: all who wait look for themselves.
    pub(crate) fn interrupted(&self) {
        for wake in lock(&self.waiting).values() {
            lock(&wake.heard).interrupted = true;
            wake.rung.notify_one();
        }
    }

    /// The locks whose release woke another process.
    pub(crate) fn told(&self) -> &Deferrals {
        &self.told
    }
}

impl Heard {
    /// Says how many nodes told of this release so far.
    fn hear(&mut self, by: &str, node: usize) -> usize {
        if by == SECOND {
            self.second = true;
            return 1;
        }
        if self.by != by {
            by.clone_into(&mut self.by);
            self.nodes = NodeSet::default();
            self.seen = false;
        }
        self.nodes.insert(node);
        self.nodes.len()
    }

    fn is_called(&self) -> bool {
        self.nodes.len() > 0 && !self.seen
    }
}

impl Subscriber {
    /// Resolves when this waiter was told of a release: at once by a majority of the nodes, else some time after the
    /// first. Cancel safe.
    pub(crate) async fn rung(&self) -> Notification {
        self.heard(|heard| heard.is_called() || heard.second || heard.interrupted)
            .await;
        if std::mem::take(&mut lock(&self.wake.heard).interrupted) {
            return Notification::Interrupted;
        }
        let quorum = self.wake.quorum;
        let majority = self.heard(|heard| heard.is_called() && heard.nodes.len() >= quorum);
        let majority = tokio::time::timeout(GATHER, majority).await.is_ok();
        let mut heard = lock(&self.wake.heard);
        let rung = match heard.is_called() {
            true if majority => Notification::First,
            true => Notification::Doubtful,
            false => Notification::Second,
        };
        heard.seen = true;
        heard.second = false;
        rung
    }

    /// The release that this waiter was told of, and did nothing about yet.
    pub(crate) fn unanswered(&self) -> Option<String> {
        let heard = lock(&self.wake.heard);
        let called = heard.is_called() && !Owner::is_cool_down(heard.by.as_bytes());
        called.then(|| heard.by.clone())
    }

    async fn heard(&self, enough: impl Fn(&Heard) -> bool) {
        while !enough(&lock(&self.wake.heard)) {
            self.wake.rung.notified().await;
        }
    }
}

/// Takes a process off the waiters of `key`, which was told that `by` released it and has no use for that.
pub(in crate::node) fn leaving(
    key: &str,
    inbox: &Arc<str>,
    by: String,
) -> Option<Arc<dyn ReplySink>> {
    let key = Key::new("", key).map(Arc::new).ok()?;
    let inbox = Arc::clone(inbox);
    // The second in line has nothing to pass on, and of a cool-down all were told.
    let by = if by == SECOND || Owner::is_cool_down(by.as_bytes()) {
        String::new()
    } else {
        by
    };
    Some(Arc::new(Leaving(Request {
        key,
        command: LeaveWaitlist { inbox, by }.into(),
    })))
}

/// A call whose answer nobody waits for.
struct Leaving(Request);

impl ReplySink for Leaving {
    fn request(&self) -> &Request {
        &self.0
    }

    fn wanted(&self) -> bool {
        true
    }

    fn vote(&self, _: usize, _: Reply) {}
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let mut waiting = lock(&self.notifications.waiting);
        // Another may have taken the place since.
        if waiting
            .get(&self.key)
            .is_some_and(|wake| Arc::ptr_eq(wake, &self.wake))
        {
            waiting.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUORUM: usize = 2;

    #[tokio::test(start_paused = true)]
    async fn the_first_waiter_is_notified_by_a_majority() {
        let notifications = Arc::new(Notifications::default());
        let subscriber = notifications.wait("k", QUORUM);
        assert!(notifications.ring("k", "a", 0));
        assert!(notifications.ring("k", "a", 0));
        assert_eq!(subscriber.rung().await, Notification::Doubtful, "one node");
        assert!(notifications.ring("k", "b", 0));
        assert!(notifications.ring("k", "b", 2));
        assert_eq!(subscriber.rung().await, Notification::First);
    }

    #[tokio::test(start_paused = true)]
    async fn a_notification_is_delivered_once() {
        let notifications = Arc::new(Notifications::default());
        let subscriber = notifications.wait("k", QUORUM);
        notifications.ring("k", "a", 0);
        notifications.ring("k", "a", 1);
        assert_eq!(subscriber.unanswered().as_deref(), Some("a"));
        assert_eq!(subscriber.rung().await, Notification::First);
        assert_eq!(subscriber.unanswered(), None);
        notifications.ring("k", "a", 2);
        let late = tokio::time::timeout(GATHER * 10, subscriber.rung()).await;
        assert!(late.is_err(), "{late:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_waiter_and_lost_connections_are_distinguished() {
        let notifications = Arc::new(Notifications::default());
        let subscriber = notifications.wait("k", QUORUM);
        notifications.ring("k", SECOND, 0);
        assert_eq!(subscriber.rung().await, Notification::Second);
        notifications.interrupted();
        assert_eq!(subscriber.rung().await, Notification::Interrupted);
    }

    #[test]
    fn nothing_is_left_of_a_subscriber() {
        let notifications = Arc::new(Notifications::default());
        let earlier = notifications.wait("k", QUORUM);
        let later = notifications.wait("k", QUORUM);
        drop(earlier);
        assert!(notifications.ring("k", "a", 0), "the later one waits");
        drop(later);
        assert!(!notifications.ring("k", "a", 0));
        assert!(lock(&notifications.waiting).is_empty());
    }
}
