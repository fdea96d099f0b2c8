//! Writing: fills the send buffer from the backlog. Commands that wait at the same time are sent in
//! one call if possible: see [`command::encode_batch`](crate::command::encode_batch).

use std::{sync::atomic::Ordering::Relaxed, task::Context};

use tokio::time::Instant;

use super::{
    super::in_flight::{InFlight, InFlightCommand, OwnCommand},
    Liveness, Open,
    batch::Batch,
    silence::doubt_after,
};
use crate::{
    command::{Reply, Step},
    env::sync::lock,
    events::node as events,
    fault::{Fault, FaultKind},
    node::{Operation, trust::lists::ANNOUNCED},
};

/// Maximum number of operations in flight.
const MAX_IN_FLIGHT: usize = 1_024;
/// From a batch of this size on, the client counts as busy.
const BUSY_BATCH: usize = 5;
/// Above this many in flight, wait for a larger batch; it is cheaper for both sides.
const BATCH_THRESHOLD: usize = 64;

impl Open<'_> {
    /// Writes what is queued, as far as there is room in flight.
    pub(super) fn fill_send_buffer(&mut self) {
        if self.liveness == Liveness::Suspect || self.in_flight.len() >= MAX_IN_FLIGHT {
            return;
        }
        if self.in_flight.is_empty() {
            self.silent_since = Instant::now();
            self.doubt_after = self.shared.timeout;
            self.must_announce |= self.silent_since >= self.announce_at;
        }
        if self.must_announce || self.announced_version != self.shared.lists.version() {
            self.announce();
        }
        let mut resend = std::mem::take(&mut self.resend);
        for command in resend.drain() {
            self.write_again(command);
        }
        self.resend = resend;
        // What was taken may be unwanted, so continue until nothing is left or there is no room.
        while self.take_queued() {
            let mut taken = std::mem::take(&mut self.taken);
            for op in taken.drain(..) {
                self.write_first(op);
            }
            self.taken = taken;
            self.write_batch();
        }
    }

    /// Takes operations from the backlog. Returns whether there are any.
    fn take_queued(&mut self) -> bool {
        let in_flight = self.in_flight.len();
        let room = MAX_IN_FLIGHT.saturating_sub(in_flight);
        let least = if in_flight < BATCH_THRESHOLD {
            1
        } else {
            in_flight / 4
        };
        let left = {
            let mut backlog = lock(&self.shared.backlog);
            backlog.take(&mut self.taken, least, room);
            backlog.waiting()
        };
        if self.taken.is_empty() {
            return false;
        }
        let size = self.taken.len();
        events::batch(self.shared.state.meter(), size, left);
        let is_busy = size >= BUSY_BATCH;
        self.shared.busy.store(is_busy, Relaxed);
        true
    }

    fn write_first(&mut self, op: Operation) {
        if !op.sink.wanted() {
            return op.answer(Reply::Failed(Fault::untouched(
                FaultKind::TimedOut,
                "given up before it was sent",
            )));
        }
        op.sink.sent(op.node);
        let command = InFlightCommand {
            step: first_step(&op),
            op,
            again: false,
            missed: false,
        };
        if !self.batch.accepts(&command) {
            if self.batch.precedes(command.op.sink.request()) {
                self.write_batch();
            }
            self.write(command);
        } else if let Err(command) = self.batch.push(command) {
            self.write_batch();
            // An empty batch has room for any command.
            if let Err(command) = self.batch.push(command) {
                self.write(command);
            }
        }
    }

    /// Writes the collected commands: in one call, or one by one if they are few.
    fn write_batch(&mut self) {
        let mut batch = std::mem::replace(&mut self.batch, Batch::none());
        if batch.is_worthwhile() {
            self.connection.write_batch(batch.requests());
            self.in_flight.push_own(OwnCommand::Batch(batch.len()));
            for command in batch.drain() {
                self.expect_reply(command);
            }
        } else {
            for command in batch.drain() {
                self.write(command);
            }
        }
        self.batch = batch;
    }

    fn write_again(&mut self, command: InFlightCommand) {
        let request = command.op.sink.request();
        if command.again && command.step == Step::FIRST && self.connection.write_rollback(request) {
            self.in_flight.push_own(OwnCommand::Unread);
        }
        self.write(command);
    }

    /// Writes a command to the send buffer.
    fn write(&mut self, command: InFlightCommand) {
        let request = command.op.sink.request();
        if command.step.is_importing() {
            self.connection.write_asking();
            self.in_flight.push_own(OwnCommand::Unread);
        }
        let step = self.connection.known_step(request, command.step);
        self.connection.write(request, step);
        self.expect_reply(InFlightCommand { step, ..command });
    }

    /// A command was written.
    fn expect_reply(&mut self, command: InFlightCommand) {
        let request = command.op.sink.request();
        let doubt_after = doubt_after(request, self.shared.timeout, self.connection.round_trip());
        self.doubt_after = self.doubt_after.min(doubt_after);
        self.in_flight.push(command);
    }

    /// Writes an announcement of the node list. Its reply comes before those of what is written
    /// behind it.
    fn announce(&mut self) {
        let announced = self.shared.announcement();
        self.announced_version = announced.version;
        self.announce_at = Instant::now() + self.shared.jittered(ANNOUNCED);
        self.must_announce = false;
        self.doubt_after = self.doubt_after.min(self.shared.timeout / 2);
        self.connection
            .write_announcement(&self.shared.lists.record, &announced.announcement);
        self.in_flight
            .push_own(OwnCommand::Announcement(Box::new(announced)));
    }

    /// Writes a login if there are new credentials. Later commands follow it on the connection, so
    /// none of them is refused.
    pub(super) fn log_in_again(&mut self, cx: &mut Context<'_>) {
        let written = self.connection.write_new_login(cx);
        if !matches!(written, Ok(false)) {
            // The task is registered only if there are no new credentials.
            cx.waker().wake_by_ref();
        }
        match written {
            Ok(false) => {}
            Ok(true) => {
                if self.in_flight.is_empty() {
                    self.silent_since = Instant::now();
                    self.doubt_after = self.shared.timeout;
                }
                self.in_flight.push_own(OwnCommand::Login);
            }
            Err(fault) => events::credentials_missing(self.shared.state.name(), &fault),
        }
    }

    /// Sends again what was in flight on another connection, since it is unknown whether it was
    /// carried out. A command may then arrive twice: it does the same again, or finds its token
    /// stale. A command that is lost twice is given up, and a release is sent again after a pause.
    pub(super) fn resend(&mut self, in_flight: InFlight) {
        let lost = Fault::unknown(FaultKind::Unreachable, "the connection was lost twice");
        for InFlightCommand { op, again, .. } in in_flight.into_commands() {
            if again || !op.sink.wanted() {
                self.shared.lost(&op, &lost);
                if op.must_arrive() {
                    self.schedule_retry();
                }
                continue;
            }
            op.sink.asked_again(op.node);
            self.resend.push(InFlightCommand {
                step: first_step(&op),
                op,
                again: true,
                missed: false,
            });
        }
    }
}

pub(super) fn first_step(op: &Operation) -> Step {
    match op.sink.is_importing() {
        true => Step::IMPORTING,
        false => Step::FIRST,
    }
}
