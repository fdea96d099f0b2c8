//! Releases that a node answered by an error, or whose replies were lost twice. They are sent again after a pause.

use std::task::Context;

use super::{Liveness, Open};
use crate::{
    command::Reply,
    env::{clock::Instant, sync::lock},
    fault::{Fault, FaultKind},
    node::Operation,
};

/// Maximum number of releases that are sent again at a time, so that a node that answers all of
/// them by errors is not overloaded.
const MAX_BATCH: usize = 64;
/// With this many deferred releases, those that the user may not carry out are given up: a client whose requests all fail for
/// lack of a permission rolls each of them back. Far below the number at which a node accepts no more acquires.
const MAX_FORBIDDEN: usize = 1_024;

impl Open<'_> {
    /// Defers a release unless the node has carried it out in time or never will.
    pub(super) fn defer_unless_done(&mut self, op: &Operation, reply: &Reply, now: Instant) {
        let command = &op.sink.request().command;
        match reply {
            // It is sent to the server that the fault names.
            Reply::Failed(fault) if self.shared.is_redirected && fault.kind == FaultKind::Moved => {
            }
            Reply::Failed(fault) if self.may_help_later(fault, op, now) => self.send_later(op, now),
            Reply::Yes | Reply::Quarantined { .. }
                if command.began_late(now, self.shared.timeout) =>
            {
                self.send_later(op, now);
            }
            _ => self.retry.reset(),
        }
    }

    /// Whether to send a release again that was answered by this fault. A server or a user that lacks a command may get it,
    /// but the key is gone by itself after the longest ttl.
    fn may_help_later(&self, fault: &Fault, op: &Operation, now: Instant) -> bool {
        let has_time = || {
            let since = op.sink.deferred_since();
            since.is_none_or(|since| now < since.after(self.shared.linger))
        };
        match fault.kind {
            FaultKind::Permission => {
                has_time() && lock(&self.shared.backlog).deferred() < MAX_FORBIDDEN
            }
            FaultKind::Unsupported => has_time(),
            _ => !fault.is_final(),
        }
    }

    fn send_later(&mut self, op: &Operation, now: Instant) {
        lock(&self.shared.backlog).defer(op.clone(), now);
        self.schedule_retry();
    }

    /// Queues a batch of deferred releases when their pause is over. Returns whether it did.
    pub(super) fn poll_retry(&mut self, cx: &mut Context<'_>) -> bool {
        if self.liveness == Liveness::Suspect || self.retry.poll(cx).is_pending() {
            return false;
        }
        let now = self.shared.clock.now();
        if lock(&self.shared.backlog).retry(MAX_BATCH, now) {
            self.schedule_retry();
        }
        true
    }

    pub(super) fn schedule_retry(&mut self) {
        self.retry.start(|pause| self.shared.jittered(pause));
    }
}
