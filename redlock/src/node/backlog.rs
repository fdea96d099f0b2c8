//! What waits for a node. New work is bounded; releases are kept until the node has carried them out.

use std::{collections::VecDeque, time::Duration};

use super::Operation;
use crate::env::clock::Instant;
use crate::fault::{Fault, FaultKind};

/// The most operations that may wait for a node; one more is refused. Releases and extensions are not counted: what ends
/// or renews a lock is never refused, and there can be no more of it than locks that were granted.
const MOST: usize = 8_192;
/// With so many deferred releases, a node is asked for no further locks.
const MOST_DEFERRED: usize = 8_192;
/// The same with so many releases and extensions that wait, deferred or not: a node that comes and goes moves them from the
/// one to the other.
const MOST_OWN: usize = 8 * MOST_DEFERRED;

/// The operations of one node that have not been sent.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    waiting: VecDeque<Operation>,
    /// How many of those are new work.
    new_work: usize,
    /// Releases for when the node is back.
    deferred: VecDeque<Operation>,
    /// Why nothing can be sent, where nothing can, and until when that is known well enough to turn operations away.
    blocked: Option<(Fault, Instant)>,
    /// Nobody uses the lane any more: until when deferred releases are still delivered.
    closed: Option<Instant>,
}

fn is_new_work(op: &Operation) -> bool {
    op.sink.request().command.is_new_work()
}

impl Backlog {
    /// Queues `op`, and says whether it is the first; or gives it back with the reason. A release that is given back
    /// is deferred. Where the reason was found out too long ago, `op` waits for what the next attempt to connect finds.
    pub(super) fn push(
        &mut self,
        op: Operation,
        now: impl Fn() -> Instant,
    ) -> Result<bool, (Operation, Fault)> {
        if self
            .blocked
            .as_ref()
            .is_some_and(|(_, until)| now() >= *until)
        {
            self.blocked = None;
        }
        if let Some((fault, _)) = &self.blocked {
            let fault = fault.clone();
            let fault = if op.must_arrive() {
                self.defer(op.clone(), now());
                Fault::unknown(fault.kind, fault.text)
            } else {
                Fault::untouched(fault.kind, fault.text)
            };
            return Err((op, fault));
        }
        if is_new_work(&op) {
            if let Some(fault) = self.is_full(&op) {
                return Err((op, fault));
            }
            self.new_work += 1;
        }
        self.waiting.push_back(op);
        Ok(self.waiting.len() == 1)
    }

    /// Why there is no room for new work, where there is none.
    fn is_full(&self, op: &Operation) -> Option<Fault> {
        let text = if self.new_work >= MOST {
            format!("{MOST} operations wait for this node already")
        } else if op.sink.request().command.begins_a_hold()
            && (self.deferred.len() >= MOST_DEFERRED || self.own() >= MOST_OWN)
        {
            format!("{} releases wait for this node already", self.own())
        } else {
            return None;
        };
        Some(Fault::untouched(FaultKind::Backlog, text))
    }

    /// How many releases and extensions wait.
    fn own(&self) -> usize {
        self.deferred.len() + self.waiting.len().saturating_sub(self.new_work)
    }

    /// Keeps a release for when the node is back; anything else needs no later.
    pub(super) fn defer(&mut self, op: Operation, now: Instant) {
        if op.must_arrive() {
            self.deferred.push_back(op.deferred(now));
        }
    }

    /// The deferred releases, for another to deliver.
    pub(super) fn take_deferred(&mut self) -> VecDeque<Operation> {
        std::mem::take(&mut self.deferred)
    }

    /// Nothing can be sent, and nobody who asks within `known_for` waits for it. Returns who waits now, to be answered.
    pub(super) fn block(
        &mut self,
        fault: &Fault,
        now: Instant,
        known_for: Duration,
    ) -> Vec<Operation> {
        self.blocked = Some((fault.clone(), now.after(known_for)));
        self.new_work = 0;
        let waiting: Vec<Operation> = self.waiting.drain(..).collect();
        for op in &waiting {
            self.defer(op.clone(), now);
        }
        waiting
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// Somebody waits for a connection.
    pub(super) fn is_asked_for(&self) -> bool {
        self.blocked.is_none() && !self.waiting.is_empty()
    }

    /// The node is back: deferred releases go first.
    pub(super) fn unblock(&mut self, now: Instant) {
        self.blocked = None;
        while let Some(op) = self.deferred.pop_back() {
            self.waiting.push_front(op.deferred(now));
        }
    }

    /// Sends some of the deferred releases once more, the oldest first. Says whether any are left.
    pub(super) fn retry(&mut self, most: usize, now: Instant) -> bool {
        let count = self.deferred.len().min(most);
        for op in self.deferred.drain(..count).rev() {
            self.waiting.push_front(op.deferred(now));
        }
        !self.deferred.is_empty()
    }

    /// Moves what waits to `into`, up to so many, and none where fewer than so many wait.
    pub(super) fn take(&mut self, into: &mut Vec<Operation>, least: usize, most: usize) {
        let count = self.waiting.len().min(most);
        if count >= least {
            into.extend(self.waiting.drain(..count));
            self.new_work -= into.iter().filter(|op| is_new_work(op)).count();
        }
    }

    /// Nobody uses the lane any more. Deferred releases are delivered for `more`.
    pub(super) fn close(&mut self, now: Instant, more: Duration) {
        self.closed = Some(now.after(more));
    }

    /// Closed, and nothing left that is to be sent.
    pub(super) fn is_done(&self, now: Instant) -> bool {
        self.closed.is_some_and(|until| {
            self.waiting.is_empty() && (self.deferred.is_empty() || now >= until)
        })
    }

    /// How many releases have not been delivered.
    pub(super) fn deferred(&self) -> usize {
        self.deferred.len()
    }
}
