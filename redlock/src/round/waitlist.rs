//! Standing in line with other processes: known to the nodes as one who waits, to be told in turn.

use std::sync::Arc;

use super::Round;
use crate::{
    command::{Command, Inbox, JoinWaitlist, LeaveWaitlist, Request},
    key::Key,
    node::{ConnectionSet, Nodes, Notification, Subscriber},
    quorum::votes::{NodeSet, Question},
};

/// A place in that line. Dropped without a grant: the place is given up.
#[derive(Debug)]
pub(crate) struct WaitlistEntry {
    nodes: Arc<Nodes>,
    connections: Arc<ConnectionSet>,
    key: Arc<Key>,
    inbox: Inbox,
    waiting: Subscriber,
    granted: bool,
}

impl WaitlistEntry {
    /// Listens. The nodes know by the next call that has the [`inbox`](Self::inbox), or by [`tell`](Self::tell).
    pub(crate) fn new(
        nodes: &Arc<Nodes>,
        connections: &Arc<ConnectionSet>,
        key: &Arc<Key>,
    ) -> Self {
        Self {
            nodes: Arc::clone(nodes),
            connections: Arc::clone(connections),
            key: Arc::clone(key),
            inbox: Inbox {
                name: Arc::clone(connections.inbox()),
                since: nodes.tokens.micros(nodes.now()),
            },
            waiting: nodes.notifications.wait(key.lock(), nodes.quorum()),
            granted: false,
        }
    }

    /// Where the nodes tell that it is this one's turn.
    pub(crate) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Tells the nodes, without asking for the lock.
    pub(crate) fn tell(&self) {
        self.send(JoinWaitlist {
            inbox: self.inbox.clone(),
        });
    }

    /// As [`Waiting::rung`].
    pub(crate) async fn rung(&self) -> Notification {
        self.waiting.rung().await
    }

    /// The lock was granted, and the place struck off with that.
    pub(crate) fn granted(mut self) {
        self.granted = true;
    }

    fn send(&self, command: impl Into<Command>) {
        let request = Request {
            key: Arc::clone(&self.key),
            command: command.into(),
        };
        let all = NodeSet::all(self.nodes.len());
        Round::start(
            &self.connections,
            &self.nodes,
            request,
            Question::Confirm,
            all,
            NodeSet::default(),
            None,
        );
    }
}

impl Drop for WaitlistEntry {
    fn drop(&mut self) {
        if !self.granted {
            self.send(LeaveWaitlist {
                inbox: Arc::clone(&self.inbox.name),
                by: self.waiting.unanswered().unwrap_or_default(),
            });
        }
    }
}
