//! What waits for a node: bounded, and what must not be lost is kept until it is pointless.

use std::{collections::VecDeque, time::Duration};

use super::{Fault, FaultKind, Op};
use crate::clock::{Clock, Instant};

/// The most operations that may wait for a node; one more is refused.
const MOST: usize = 8_192;
/// The most releases that are owed to a node that cannot be reached.
const MOST_OWED: usize = 8_192;

/// The operations of one node that have not been sent.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    waiting: VecDeque<Op>,
    /// Releases for later.
    owed: VecDeque<Op>,
    overflown: u64,
    /// Why nothing can be sent, where nothing can, and until when that is known well enough to turn operations away.
    blocked: Option<(Fault, Instant)>,
    closed: bool,
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Op")
            .field("node", &self.node)
            .field("call", self.ballot.call())
            .finish()
    }
}

impl Backlog {
    /// Queues `op`, and says whether it is the first; or gives it back with the reason. Where that was found out too long
    /// ago, `op` waits for what the next attempt to connect finds.
    pub(super) fn push(&mut self, op: Op, clock: Clock) -> Result<bool, (Op, Fault)> {
        if self
            .blocked
            .as_ref()
            .is_some_and(|(_, until)| clock.now() >= *until)
        {
            self.blocked = None;
        }
        if let Some((fault, _)) = &self.blocked {
            let fault = fault.clone();
            let fault = if op.ballot.call().what.give_up().is_some() {
                self.owe(op.clone(), clock.now());
                Fault::unknown(fault.kind, fault.text)
            } else {
                Fault::untouched(fault.kind, fault.text)
            };
            return Err((op, fault));
        }
        if self.waiting.len() >= MOST {
            let fault = Fault::untouched(
                FaultKind::Backlog,
                format!("{MOST} operations wait for this node already"),
            );
            return Err((op, fault));
        }
        self.waiting.push_back(op);
        Ok(self.waiting.len() == 1)
    }

    /// Keeps a release for when the node is back; anything else needs no later.
    pub(super) fn owe(&mut self, op: Op, now: Instant) {
        let Some(give_up) = op.ballot.call().what.give_up() else {
            return;
        };
        if give_up <= now {
            return;
        }
        if self.owed.len() >= MOST_OWED {
            self.forget_expired(now);
        }
        if self.owed.len() >= MOST_OWED {
            self.overflown += 1;
            if self.overflown.is_power_of_two() {
                tracing::warn!(
                    count = self.overflown,
                    "releases owed to an unreachable node were dropped: their keys expire with their ttl"
                );
            }
            return;
        }
        self.owed.push_back(Op {
            node: op.node,
            ballot: op.ballot.debt().unwrap_or(op.ballot),
        });
    }

    /// What is owed, for another to deliver.
    #[cfg(feature = "cluster")]
    pub(super) fn hand_over(&mut self) -> VecDeque<Op> {
        std::mem::take(&mut self.owed)
    }

    /// Nothing can be sent, and nobody who asks within `known_for` waits for it. Returns who waits now, to be told.
    pub(super) fn block(&mut self, fault: &Fault, now: Instant, known_for: Duration) -> Vec<Op> {
        self.blocked = Some((fault.clone(), now.after(known_for)));
        let waiting: Vec<Op> = self.waiting.drain(..).collect();
        for op in &waiting {
            self.owe(op.clone(), now);
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

    /// The node is back: what is owed goes first.
    pub(super) fn unblock(&mut self, now: Instant) {
        self.blocked = None;
        self.forget_expired(now);
        while let Some(op) = self.owed.pop_back() {
            self.waiting.push_front(op);
        }
    }

    /// Moves what waits to `into`, up to so many, and none where fewer than so many wait.
    pub(super) fn take(&mut self, into: &mut Vec<Op>, least: usize, most: usize) {
        let count = self.waiting.len().min(most);
        if count >= least {
            into.extend(self.waiting.drain(..count));
        }
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Closed, and nothing left that could still be sent.
    pub(super) fn is_done(&mut self, now: Instant) -> bool {
        self.forget_expired(now);
        self.closed && self.waiting.is_empty() && self.owed.is_empty()
    }

    fn forget_expired(&mut self, now: Instant) {
        self.owed.retain(|op| {
            op.ballot
                .call()
                .what
                .give_up()
                .is_some_and(|until| until > now)
        });
    }
}
