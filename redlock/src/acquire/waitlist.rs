//! The waitlist on the nodes: the processes that wait for a key, and are notified one after the other.

use std::sync::Arc;

use crate::{
    command::{Command, Inbox, JoinWaitlist, Request},
    core::Core,
    env::pending::Pending,
    key::Key,
    lock_kind::Kind,
    node::{ConnectionSet, Nodes, Subscriber},
    quorum::{node_set::NodeSet, tally::Rule},
    round::{Plan, Round},
};

/// The entry of this process. If it is dropped without a grant, the process leaves the waitlist. The entry of a writer leaves it
/// after a grant too.
#[derive(Debug)]
pub(super) struct WaitlistEntry {
    nodes: Arc<Nodes>,
    connections: Arc<ConnectionSet>,
    key: Arc<Key>,
    kind: Kind,
    inbox: Inbox,
    subscriber: Subscriber,
    granted: bool,
    /// Of a writer: closing the client waits until its intent is withdrawn.
    pending: Option<Pending>,
}

impl WaitlistEntry {
    /// Subscribes. The nodes add the entry with the next acquire that carries the [`inbox`](Self::inbox), or by
    /// [`join`](Self::join).
    pub(super) fn new(
        core: &Core,
        connections: &Arc<ConnectionSet>,
        key: &Arc<Key>,
        kind: Kind,
    ) -> Self {
        let nodes = &core.nodes;
        Self {
            nodes: Arc::clone(nodes),
            connections: Arc::clone(connections),
            key: Arc::clone(key),
            kind,
            inbox: Inbox {
                name: Arc::clone(connections.inbox()),
                since: nodes.tokens.micros(nodes.now()),
            },
            subscriber: nodes.notifications.wait(key.lock(), nodes.quorum()),
            granted: false,
            pending: kind.leaves_intent().then(|| core.tracker.begin()),
        }
    }

    /// The channel on which the nodes notify this process.
    pub(super) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Adds the entry on the nodes, without an attempt to acquire.
    pub(super) fn join(&self) {
        let inbox = self.inbox.clone();
        self.send(JoinWaitlist { inbox }, None);
    }

    /// Waits for notifications.
    pub(super) fn subscriber(&self) -> &Subscriber {
        &self.subscriber
    }

    /// Records that the lock was granted, which removed the entry and the intent of a writer on the nodes that said yes.
    pub(super) fn granted(mut self) {
        self.granted = true;
    }

    fn send(&self, command: impl Into<Command>, pending: Option<Pending>) {
        let request = Request {
            key: Arc::clone(&self.key),
            command: command.into(),
        };
        let all = NodeSet::all(self.nodes.len());
        let mut plan = Plan::new(request, Rule::Confirm, all);
        plan.pending = pending;
        Round::start(&self.nodes, &self.connections, plan);
    }
}

impl Drop for WaitlistEntry {
    fn drop(&mut self) {
        let by = match self.granted {
            false => self.subscriber.unanswered().unwrap_or_default(),
            // A node that still had a holder keeps the intent. It would keep readers out although no writer waits.
            true if self.kind.leaves_intent() => String::new(),
            true => return,
        };
        let pending = self.pending.take();
        self.send(self.kind.leave_waitlist(&self.inbox, by), pending);
    }
}
