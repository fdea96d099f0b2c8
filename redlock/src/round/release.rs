//! Releasing and settling: sent behind everything that was sent before, and deferred where a node cannot be reached.

use std::{sync::Arc, time::Duration};

use super::Round;
use crate::{
    command::{self, Command, Owner, Reply, Request},
    env::{
        clock::Instant,
        pending::{Pending, Tracker},
    },
    key::Key,
    mutant::{self, Mutant},
    node::{ConnectionSet, Nodes, ReplySink},
    quorum::votes::{NodeSet, Question},
};

/// What is given back.
#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) key: Arc<Key>,
    pub(crate) owner: Owner,
    pub(crate) token: Option<u64>,
    /// Nodes that may hold it, or may come to.
    pub(crate) touched: NodeSet,
}

/// A deferred release, for one node: its round is over, or goes on without that node.
#[derive(Debug)]
struct Deferred {
    request: Request,
    /// What a client waits for when it is closed.
    pending: Option<Pending>,
}

pub(super) fn deferred(request: Request, pending: Option<Pending>) -> Arc<dyn ReplySink> {
    Arc::new(Deferred { request, pending })
}

impl ReplySink for Deferred {
    fn request(&self) -> &Request {
        &self.request
    }

    fn wanted(&self) -> bool {
        true
    }

    fn vote(&self, _: usize, _: Reply) {}

    fn deferred(&self, now: Instant) -> Option<Arc<dyn ReplySink>> {
        let request = Request {
            key: Arc::clone(&self.request.key),
            command: self.request.command.deferred(now)?,
        };
        Some(deferred(
            request,
            self.pending.as_ref().map(Pending::another),
        ))
    }
}

/// Sends a release, at once and without waiting. It is done when a quorum is known to be free.
pub(crate) fn release(
    nodes: &Arc<Nodes>,
    connections: &ConnectionSet,
    tracker: &Arc<Tracker>,
    release: Release,
) -> Arc<Round> {
    let Release {
        key,
        owner,
        token,
        touched,
    } = release;
    let command = Command::Release(command::Release {
        owner,
        tombstone: tombstone(token),
    });
    Round::start(
        connections,
        nodes,
        Request { key, command },
        Question::Confirm,
        touched,
        NodeSet::all(nodes.len()).minus(touched),
        Some(tracker.begin()),
    )
}

/// Sends a release over the connections of its acquire, beside the one that goes over others: without a tombstone, nothing
/// else bars an acquire that is still on its way.
pub(crate) fn behind_the_acquire(
    nodes: &Arc<Nodes>,
    connections: &ConnectionSet,
    release: &Release,
) {
    let command = Command::Release(command::Release {
        owner: release.owner,
        tombstone: tombstone(release.token),
    });
    let key = Arc::clone(&release.key);
    let rest = NodeSet::all(nodes.len()).minus(release.touched);
    let request = Request { key, command };
    Round::start(
        connections,
        nodes,
        request,
        Question::Confirm,
        release.touched,
        rest,
        None,
    );
}

/// As [`release`], but the key stays busy for `window`: under the value of a cool-down, so that nothing can extend it
/// and whoever asks is told.
pub(crate) fn cool_down(
    nodes: &Arc<Nodes>,
    connections: &ConnectionSet,
    tracker: &Arc<Tracker>,
    release: Release,
    window: Duration,
) -> Arc<Round> {
    let Release {
        key,
        owner,
        token,
        touched,
    } = release;
    let command = Command::CoolDown(command::CoolDown {
        owner,
        next: owner.cool_down(),
        window,
        until: nodes.now().after(window),
        tombstone: tombstone(token),
    });
    let round = Round::start(
        connections,
        nodes,
        Request { key, command },
        Question::Confirm,
        touched,
        NodeSet::default(),
        Some(tracker.begin()),
    );
    // Where the owner holds nothing, there is nothing to keep busy.
    for node in NodeSet::all(nodes.len()).minus(touched).iter() {
        round.vote(node, Reply::Gone);
    }
    round
}

/// Above what the holder could still send, below what the next holder proposes.
fn tombstone(token: Option<u64>) -> Option<u64> {
    if mutant::on(Mutant::NoTombstone) {
        return None;
    }
    Some(token?.saturating_add(1))
}
