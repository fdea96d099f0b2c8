//! Commands that were sent on a connection and have no reply yet, in the order of sending.

use std::collections::VecDeque;

use crate::{
    command::{Reply, Step},
    fault::{Fault, FaultKind},
    node::{Operation, trust::lists::Announced},
};

/// A command that waits for its reply.
pub(super) struct InFlightCommand {
    pub(super) op: Operation,
    pub(super) step: Step,
    /// It was sent before, on a connection that was lost.
    pub(super) again: bool,
    /// The server refused it before it was carried out, and it is sent again: later commands may
    /// have overtaken it.
    pub(super) missed: bool,
}

/// A command of the connection itself.
pub(super) enum OwnCommand {
    /// Its reply is ignored.
    Unread,
    /// A login with new credentials.
    Login,
    Announcement(Box<Announced>),
    /// A batch: the next commands, this many, share one reply.
    Batch(usize),
}

/// Dropped: operations are answered, since the runtime has ended or code of the user panicked.
#[derive(Default)]
pub(super) struct InFlight(VecDeque<Result<InFlightCommand, OwnCommand>>);

impl InFlight {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push(&mut self, command: InFlightCommand) {
        self.0.push_back(Ok(command));
    }

    pub(super) fn push_own(&mut self, command: OwnCommand) {
        self.0.push_back(Err(command));
    }

    /// Takes the command whose reply comes next.
    pub(super) fn pop(&mut self) -> Option<Result<InFlightCommand, OwnCommand>> {
        self.0.pop_front()
    }

    pub(super) fn append(&mut self, later: &mut Self) {
        self.0.append(&mut later.0);
    }

    /// The commands of operations, in their order.
    pub(super) fn commands(&self) -> impl Iterator<Item = &InFlightCommand> {
        self.0.iter().flatten()
    }

    /// Takes the commands of operations out, in their order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = InFlightCommand> {
        self.0.drain(..).flatten()
    }

    pub(super) fn into_commands(mut self) -> impl Iterator<Item = InFlightCommand> {
        std::mem::take(&mut self.0).into_iter().flatten()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        for command in self.drain() {
            command.op.answer(Reply::Failed(dropped()));
        }
    }
}

/// Why commands are not answered that were in flight when the connection was dropped.
pub(super) fn dropped() -> Fault {
    match std::thread::panicking() {
        true => panicked(),
        false => runtime_ended(),
    }
}

pub(super) fn panicked() -> Fault {
    Fault::unknown(
        FaultKind::Other,
        "code that the connection calls panicked, such as a verifier of certificates",
    )
}

pub(super) fn runtime_ended() -> Fault {
    Fault::unknown(
        FaultKind::Unreachable,
        "the runtime of this connection has ended",
    )
}
