//! Notifications between processes: the waiters of this process, and what the nodes have notified them of.
//!
//! A release notifies the process that has waited longest. A notification is only a hint: a waiter that receives none tries
//! again after a while.

mod deferral;
mod newest;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::Notify;

use super::ReplySink;
use crate::command::{LeaveWaitlist, Owner, Reply, Request, SECOND, newer_request};
use crate::{
    env::sync::lock,
    key::{Key, waited_for},
    quorum::node_set::NodeSet,
};
use deferral::Deferrals;
pub(crate) use newest::Preemptible;
use newest::Requests;

/// How long to wait for the other nodes after the first notification of a release. The second process on the waitlist leaves
/// the lock to the first for as long.
const GATHER: Duration = Duration::from_millis(5);

/// The notifications that a client waits for and has received.
#[derive(Debug, Default)]
pub(crate) struct Notifications {
    /// The first waiter of each local queue, by the key of its lock. Empty if nobody waits.
    /// Ordered, so that waiters that are woken together run in the same order in each replay.
    waiting: Mutex<BTreeMap<Arc<str>, Arc<Waiter>>>,
    /// The locks that another process was notified of.
    deferrals: Deferrals,
    /// The requests that a newer one supersedes.
    preemptible: Arc<Requests>,
}

#[derive(Debug)]
struct Waiter {
    quorum: usize,
    received: Mutex<Received>,
    changed: Notify,
}

/// The notifications of the latest release.
#[derive(Debug, Default)]
struct Received {
    /// The owner that released the lock.
    by: String,
    /// The nodes that notified this waiter first.
    nodes: NodeSet,
    /// A node notified it as the second process of the waitlist.
    second: bool,
    /// The waiter has acted on this release: further notifications of it come too late.
    seen: bool,
    /// A connection was lost.
    interrupted: bool,
}

/// What a waiter is notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notification {
    /// It is first on a majority of the nodes: the lock is its to take.
    First,
    /// It is first on fewer: other processes were notified too, or too few nodes are free.
    Doubtful,
    /// It is second: it checks whether the first process took the lock.
    Second,
    /// Notifications may have been missed: a connection that brings them was lost.
    Interrupted,
}

impl Notification {
    /// Whether nodes have removed the waiter from their waitlist: it joins again with its next attempt, or by a command.
    pub(crate) fn left_waitlist(self) -> bool {
        matches!(self, Self::First | Self::Doubtful)
    }
}

/// Waits for the release of a lock. Dropped: it no longer waits.
#[derive(Debug)]
pub(crate) struct Subscriber {
    notifications: Arc<Notifications>,
    key: Arc<str>,
    waiter: Arc<Waiter>,
}

impl Notifications {
    pub(crate) fn wait(self: &Arc<Self>, key: &str, quorum: usize) -> Subscriber {
        let waiter = Arc::new(Waiter {
            quorum,
            received: Mutex::default(),
            changed: Notify::new(),
        });
        let key = Arc::<str>::from(key);
        lock(&self.waiting).insert(Arc::clone(&key), Arc::clone(&waiter));
        Subscriber {
            notifications: Arc::clone(self),
            key,
            waiter,
        }
    }

    /// A request for `key` that a newer one will supersede, unless it ends before.
    pub(crate) fn preemptible(&self, key: &str) -> Preemptible {
        self.preemptible.add(key)
    }

    /// A node notified this process that `by` released `key`, or of a newer request for it. Returns whether a waiter for a
    /// release is here.
    pub(crate) fn receive(&self, key: &str, by: &str, node: usize) -> bool {
        if let Some(since) = newer_request(by) {
            self.preemptible.supersede(key, since);
            return true;
        }
        let Some(waiter) = lock(&self.waiting).get(&*waited_for(key)).cloned() else {
            return false;
        };
        let nodes = lock(&waiter.received).add(by, node);
        if nodes == 1 || nodes == waiter.quorum {
            waiter.changed.notify_one();
        }
        true
    }

    /// A connection that brings notifications was lost: all waiters try for themselves.
    pub(crate) fn interrupted(&self) {
        let waiters: Vec<Arc<Waiter>> = lock(&self.waiting).values().cloned().collect();
        // After the lock is released, since a waker may run code of the user, which may drop a waiter.
        for waiter in waiters {
            lock(&waiter.received).interrupted = true;
            waiter.changed.notify_one();
        }
    }

    /// The locks whose release notified another process.
    pub(crate) fn deferrals(&self) -> &Deferrals {
        &self.deferrals
    }
}

impl Received {
    /// Returns how many nodes have notified of this release so far.
    fn add(&mut self, by: &str, node: usize) -> usize {
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

    fn is_first(&self) -> bool {
        self.nodes.len() > 0 && !self.seen
    }
}

impl Subscriber {
    /// Completes at a notification: at once if it comes from a majority of the nodes, otherwise
    /// some time after the first. Cancel safe.
    pub(crate) async fn notified(&self) -> Notification {
        self.until(|received| received.is_first() || received.second || received.interrupted)
            .await;
        if std::mem::take(&mut lock(&self.waiter.received).interrupted) {
            return Notification::Interrupted;
        }
        let quorum = self.waiter.quorum;
        let majority = self.until(|received| received.is_first() && received.nodes.len() >= quorum);
        // In memory of its own, so that waiting for the first notification takes little.
        let majority = Box::pin(tokio::time::timeout(GATHER, majority))
            .await
            .is_ok();
        let mut received = lock(&self.waiter.received);
        let notification = match received.is_first() {
            true if majority => Notification::First,
            true => Notification::Doubtful,
            false => Notification::Second,
        };
        received.seen = true;
        received.second = false;
        notification
    }

    /// The release that this waiter was notified of and has not acted on.
    pub(crate) fn unanswered(&self) -> Option<String> {
        let received = lock(&self.waiter.received);
        let called = received.is_first() && !Owner::is_cool_down(received.by.as_bytes());
        called.then(|| received.by.clone())
    }

    async fn until(&self, enough: impl Fn(&Received) -> bool) {
        while !enough(&lock(&self.waiter.received)) {
            self.waiter.changed.notified().await;
        }
    }
}

/// Removes this process from the waitlist of `key`. It was notified that `by` released the lock, and no longer waits for it.
pub(in crate::node) fn leaving(
    key: &str,
    inbox: &Arc<str>,
    by: String,
) -> Option<Arc<dyn ReplySink>> {
    let key = Key::of_lock(key).map(Arc::new)?;
    let inbox = Arc::clone(inbox);
    // The second process has nothing to pass on, and a cool-down notifies all processes.
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

/// A request whose reply nobody waits for.
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
        // Another waiter may have taken the place since.
        if waiting
            .get(&self.key)
            .is_some_and(|waiter| Arc::ptr_eq(waiter, &self.waiter))
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
        assert!(notifications.receive("k", "a", 0));
        assert!(notifications.receive("k", "a", 0));
        assert_eq!(
            subscriber.notified().await,
            Notification::Doubtful,
            "one node"
        );
        assert!(notifications.receive("k", "b", 0));
        assert!(notifications.receive("k", "b", 2));
        assert_eq!(subscriber.notified().await, Notification::First);
    }

    #[tokio::test(start_paused = true)]
    async fn a_notification_is_delivered_once() {
        let notifications = Arc::new(Notifications::default());
        let subscriber = notifications.wait("k", QUORUM);
        notifications.receive("k", "a", 0);
        notifications.receive("k", "a", 1);
        assert_eq!(subscriber.unanswered().as_deref(), Some("a"));
        assert_eq!(subscriber.notified().await, Notification::First);
        assert_eq!(subscriber.unanswered(), None);
        notifications.receive("k", "a", 2);
        let late = tokio::time::timeout(GATHER * 10, subscriber.notified()).await;
        assert!(late.is_err(), "{late:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_waiter_and_lost_connections_are_distinguished() {
        let notifications = Arc::new(Notifications::default());
        let subscriber = notifications.wait("k", QUORUM);
        notifications.receive("k", SECOND, 0);
        assert_eq!(subscriber.notified().await, Notification::Second);
        notifications.interrupted();
        assert_eq!(subscriber.notified().await, Notification::Interrupted);
    }

    #[test]
    fn a_dropped_subscriber_leaves_no_state() {
        let notifications = Arc::new(Notifications::default());
        let earlier = notifications.wait("k", QUORUM);
        let later = notifications.wait("k", QUORUM);
        drop(earlier);
        assert!(notifications.receive("k", "a", 0), "the later one waits");
        drop(later);
        assert!(!notifications.receive("k", "a", 0));
        assert!(lock(&notifications.waiting).is_empty());
    }
}
