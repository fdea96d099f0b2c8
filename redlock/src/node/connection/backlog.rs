//! Operations that wait for a node. New work is bounded. Releases are kept until the node has
//! carried them out.

use std::{collections::VecDeque, time::Duration};

use crate::{
    env::clock::Instant,
    fault::{Fault, FaultKind},
    node::Operation,
};

/// Maximum number of operations that wait for a node. Releases and extensions are not counted: what
/// ends or renews a lock is never refused, and there are no more of them than locks that were
/// granted.
const MAX_NEW_WORK: usize = 8_192;
/// With this many deferred releases, a node accepts no further acquires.
const MAX_DEFERRED: usize = 8_192;
/// The same limit for releases and extensions that wait, deferred or not: a flapping node moves
/// them from one state to the other.
const MAX_RELEASES: usize = 8 * MAX_DEFERRED;

/// The operations of one node that were not sent yet.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    waiting: VecDeque<Operation>,
    /// How many of `waiting` are new work.
    new_work: usize,
    /// Releases to be sent when the node is back.
    deferred: VecDeque<Operation>,
    /// Why nothing can be sent, and until when operations are refused for that reason.
    blocked: Option<(Fault, Instant)>,
    /// The handle is gone: until when deferred releases are still delivered.
    closed: Option<Instant>,
}

fn is_new_work(op: &Operation) -> bool {
    op.sink.request().command.is_new_work()
}

impl Backlog {
    /// Queues `op`, and returns whether it is the first; or refuses it with the cause. A refused
    /// release is deferred. If the cause is too old, `op` waits for the outcome of the next attempt
    /// to connect.
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
                fault.with_outcome(false)
            } else {
                fault.with_outcome(true)
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

    /// The fault of new work that there is no room for.
    fn is_full(&self, op: &Operation) -> Option<Fault> {
        let text = if self.new_work >= MAX_NEW_WORK {
            format!("{MAX_NEW_WORK} operations wait for this node already")
        } else if op.sink.request().command.begins_a_hold()
            && (self.deferred.len() >= MAX_DEFERRED || self.releases() >= MAX_RELEASES)
        {
            format!("{} releases wait for this node already", self.releases())
        } else {
            return None;
        };
        Some(Fault::untouched(FaultKind::Backlog, text))
    }

    /// How many operations wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many releases and extensions wait.
    fn releases(&self) -> usize {
        self.deferred.len() + self.waiting.len().saturating_sub(self.new_work)
    }

    /// Keeps a release until the node is back. Drops anything else.
    pub(super) fn defer(&mut self, op: Operation, now: Instant) {
        if op.must_arrive() {
            self.deferred.push_back(op.deferred(now));
        }
    }

    /// Takes the deferred releases, for another connection to deliver.
    pub(super) fn take_deferred(&mut self) -> VecDeque<Operation> {
        std::mem::take(&mut self.deferred)
    }

    /// Nothing can be sent: operations that are pushed within `known_for` are refused. Returns
    /// those that wait now, to be answered.
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

    /// Whether an operation waits for a connection.
    pub(super) fn wants_connection(&self) -> bool {
        self.blocked.is_none() && !self.waiting.is_empty()
    }

    /// The node is back. Deferred releases go first.
    pub(super) fn unblock(&mut self, now: Instant) {
        self.blocked = None;
        while let Some(op) = self.deferred.pop_back() {
            self.waiting.push_front(op.deferred(now));
        }
    }

    /// Queues up to `most` deferred releases again, the oldest first. Returns whether any are left.
    pub(super) fn retry(&mut self, most: usize, now: Instant) -> bool {
        let count = self.deferred.len().min(most);
        for op in self.deferred.drain(..count).rev() {
            self.waiting.push_front(op.deferred(now));
        }
        !self.deferred.is_empty()
    }

    /// Moves up to `most` operations to `into`, or none if fewer than `least` wait.
    pub(super) fn take(&mut self, into: &mut Vec<Operation>, least: usize, most: usize) {
        let count = self.waiting.len().min(most);
        if count >= least {
            into.extend(self.waiting.drain(..count));
            self.new_work -= into.iter().filter(|op| is_new_work(op)).count();
        }
    }

    /// The handle is gone. Deferred releases are delivered for `linger`.
    pub(super) fn close(&mut self, now: Instant, linger: Duration) {
        self.closed = Some(now.after(linger));
    }

    /// Whether it is closed and nothing is left to send.
    pub(super) fn is_done(&self, now: Instant) -> bool {
        self.closed.is_some_and(|until| {
            self.waiting.is_empty() && (self.deferred.is_empty() || now >= until)
        })
    }

    /// The number of deferred releases.
    pub(super) fn deferred(&self) -> usize {
        self.deferred.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::{Command, Owner, Ping, Release},
        key::Key,
    };

    fn operation(key: &str, command: impl Into<Command>) -> Operation {
        let key = Key::new("", key).expect("a key");
        Operation::unanswered(key, command)
    }

    fn release(key: &str) -> Operation {
        let release = Release {
            owner: Owner::of([0; 16], None),
            tombstone: None,
        };
        operation(key, release)
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    fn push(backlog: &mut Backlog, op: Operation) -> Result<bool, Fault> {
        let pushed = backlog.push(op, || at(0));
        pushed.map_err(|(_, fault)| fault)
    }

    /// The keys of what is sent next.
    fn sent(backlog: &mut Backlog) -> Vec<String> {
        let mut ops = Vec::new();
        backlog.take(&mut ops, 1, usize::MAX);
        let key = |op: &Operation| op.sink.request().key.lock().to_owned();
        ops.iter().map(key).collect()
    }

    fn unreachable() -> Fault {
        Fault::untouched(FaultKind::Unreachable, "refused")
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn operations_are_sent_in_order_and_in_batches() {
        let mut backlog = Backlog::default();
        assert!(push(&mut backlog, operation("a", Ping)).expect("room"));
        assert!(!push(&mut backlog, operation("b", Ping)).expect("room"));
        let mut ops = Vec::new();
        backlog.take(&mut ops, 3, usize::MAX);
        assert!(ops.is_empty(), "too few for a batch");
        assert_eq!(sent(&mut backlog), ["a", "b"]);
    }

    #[test]
    fn new_work_is_bounded_and_releases_are_not() {
        let mut backlog = Backlog::default();
        for _ in 0..MAX_NEW_WORK {
            push(&mut backlog, operation("k", Ping)).expect("room");
        }
        let full = push(&mut backlog, operation("k", Ping)).expect_err("full");
        assert_eq!(full.kind, FaultKind::Backlog);
        push(&mut backlog, release("k")).expect("never refused");
        sent(&mut backlog);
        push(&mut backlog, operation("k", Ping)).expect("room again");
    }

    #[test]
    fn a_blocked_node_refuses_operations_until_the_reason_is_old() {
        let mut backlog = Backlog::default();
        push(&mut backlog, operation("a", Ping)).expect("room");
        assert_eq!(backlog.block(&unreachable(), at(0), SECOND).len(), 1);
        push(&mut backlog, operation("b", Ping)).expect_err("blocked");
        let later = backlog.push(operation("c", Ping), || at(1_000));
        assert!(later.is_ok(), "it waits for the next attempt to connect");
        assert_eq!(sent(&mut backlog), ["c"]);
    }

    #[test]
    fn releases_are_deferred_and_sent_first_in_their_order() {
        let mut backlog = Backlog::default();
        push(&mut backlog, release("a")).expect("room");
        push(&mut backlog, operation("b", Ping)).expect("room");
        backlog.block(&unreachable(), at(0), SECOND);
        push(&mut backlog, release("c")).expect_err("blocked");
        assert_eq!(backlog.deferred(), 2);
        push(&mut backlog, operation("d", Ping)).expect_err("blocked");
        backlog.unblock(at(100));
        push(&mut backlog, operation("e", Ping)).expect("room");
        assert_eq!(sent(&mut backlog), ["a", "c", "e"]);
        assert_eq!(backlog.deferred(), 0);
    }

    #[test]
    fn deferred_releases_are_retried_in_part_and_in_their_order() {
        let mut backlog = Backlog::default();
        for key in ["a", "b", "c"] {
            backlog.defer(release(key), at(0));
        }
        assert!(backlog.retry(2, at(0)), "one is left");
        assert_eq!(sent(&mut backlog), ["a", "b"]);
        assert!(!backlog.retry(2, at(0)));
        assert_eq!(sent(&mut backlog), ["c"]);
    }

    #[test]
    fn a_closed_backlog_delivers_deferred_releases_for_a_while() {
        let mut backlog = Backlog::default();
        backlog.defer(release("a"), at(0));
        assert!(!backlog.is_done(at(0)), "not closed");
        backlog.close(at(0), SECOND);
        assert!(!backlog.is_done(at(999)));
        assert!(backlog.is_done(at(1_000)));
        backlog.retry(1, at(0));
        assert!(!backlog.is_done(at(1_000)), "not sent yet");
    }
}
