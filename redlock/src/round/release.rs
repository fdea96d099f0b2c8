//! Releasing and settling: sent behind everything that was sent before, and owed to nodes that cannot be reached.

use std::{sync::Arc, time::Duration};

use super::Round;
use crate::{
    clock::Instant,
    key::Key,
    mutant::{self, Mutant},
    node::{Ballot, Call, Driver, Nodes, Owner, Reply, What},
    pending::{Pending, Tracker},
    protocol::votes::{NodeSet, Question},
};

/// What is given back.
#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) key: Arc<Key>,
    pub(crate) owner: Owner,
    pub(crate) token: Option<u64>,
    /// Nodes that may hold it, or may come to.
    pub(crate) touched: NodeSet,
    /// When the key has expired anyway.
    pub(crate) give_up: Instant,
}

/// A release that a node is owed: its round is over, or goes on without that node.
#[derive(Debug)]
pub(super) struct Debt {
    pub(super) call: Call,
    /// A client is closed when it has been paid, or never can be.
    pub(super) _pending: Option<Pending>,
}

impl Ballot for Debt {
    fn call(&self) -> &Call {
        &self.call
    }

    fn wanted(&self) -> bool {
        true
    }

    fn vote(&self, _: usize, _: Reply) {}
}

/// Sends a release, at once and without waiting. It is done when a quorum is known to be free.
pub(crate) fn release(
    nodes: &Arc<Nodes>,
    driver: &Driver,
    tracker: &Arc<Tracker>,
    release: Release,
) -> Arc<Round> {
    let Release {
        key,
        owner,
        token,
        touched,
        give_up,
    } = release;
    let what = What::Release {
        owner,
        tombstone: tombstone(token),
        give_up,
    };
    Round::start(
        driver,
        nodes,
        Call { key, what },
        Question::Confirm,
        touched,
        NodeSet::all(nodes.len()).minus(touched),
        Some(tracker.begin()),
    )
}

/// As [`release`], but the key stays busy for `window`: under the value of a cool-down, so that nothing can extend it
/// and whoever asks is told.
pub(crate) fn settle(
    nodes: &Arc<Nodes>,
    driver: &Driver,
    tracker: &Arc<Tracker>,
    release: Release,
    window: Duration,
) -> Arc<Round> {
    let Release {
        key,
        owner,
        token,
        give_up,
        ..
    } = release;
    let what = What::Settle {
        owner,
        next: owner.after(),
        window,
        tombstone: tombstone(token),
        give_up,
    };
    let all = NodeSet::all(nodes.len());
    Round::start(
        driver,
        nodes,
        Call { key, what },
        Question::Confirm,
        all,
        NodeSet::default(),
        Some(tracker.begin()),
    )
}

/// Above what the holder could still send, below what the next holder proposes.
fn tombstone(token: Option<u64>) -> Option<u64> {
    if mutant::on(Mutant::NoTombstone) {
        return None;
    }
    Some(token?.saturating_add(1))
}
