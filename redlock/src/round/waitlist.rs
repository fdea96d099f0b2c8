//! Standing in line with other processes: known to the nodes as one who waits, to be told in turn.

use std::sync::Arc;

use super::Round;
use crate::{
    key::Key,
    node::{Call, Driver, Inbox, Nodes, Rung, Waiting, What},
    quorum::votes::{NodeSet, Question},
};

/// A place in that line. Dropped without a grant: the place is given up.
#[derive(Debug)]
pub(crate) struct Enlisted {
    nodes: Arc<Nodes>,
    driver: Arc<Driver>,
    key: Arc<Key>,
    inbox: Inbox,
    waiting: Waiting,
    granted: bool,
}

impl Enlisted {
    /// Listens. The nodes know by the next call that has the [`inbox`](Self::inbox), or by [`tell`](Self::tell).
    pub(crate) fn new(nodes: &Arc<Nodes>, driver: &Arc<Driver>, key: &Arc<Key>) -> Self {
        Self {
            nodes: Arc::clone(nodes),
            driver: Arc::clone(driver),
            key: Arc::clone(key),
            inbox: Inbox {
                name: Arc::clone(driver.inbox()),
                since: nodes.tokens.micros(nodes.now()),
            },
            waiting: nodes.wakes.wait(key.lock(), nodes.quorum()),
            granted: false,
        }
    }

    /// Where the nodes tell that it is this one's turn.
    pub(crate) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Tells the nodes, without asking for the lock.
    pub(crate) fn tell(&self) {
        self.send(What::Enlist {
            inbox: self.inbox.clone(),
        });
    }

    /// As [`Waiting::rung`].
    pub(crate) async fn rung(&self) -> Rung {
        self.waiting.rung().await
    }

    /// The lock was granted, and the place struck off with that.
    pub(crate) fn granted(mut self) {
        self.granted = true;
    }

    fn send(&self, what: What) {
        let call = Call {
            key: Arc::clone(&self.key),
            what,
        };
        let all = NodeSet::all(self.nodes.len());
        Round::start(
            &self.driver,
            &self.nodes,
            call,
            Question::Confirm,
            all,
            NodeSet::default(),
            None,
        );
    }
}

impl Drop for Enlisted {
    fn drop(&mut self) {
        if !self.granted {
            self.send(What::Leave {
                inbox: Arc::clone(&self.inbox.name),
                by: self.waiting.unanswered().unwrap_or_default(),
            });
        }
    }
}
