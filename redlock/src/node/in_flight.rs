//! What was sent on a connection and has no answer yet, in the order of sending.

use std::collections::VecDeque;

use super::{Operation, lists::Announced};
use crate::command::{Reply, Step};
use crate::fault::{Fault, FaultKind};

/// An operation that waits for its answer.
pub(super) struct InFlightCommand {
    pub(super) op: Operation,
    pub(super) step: Step,
    /// It was asked before, on a connection that was lost.
    pub(super) again: bool,
}

/// What a connection asks for itself.
pub(super) enum Own {
    /// Any answer will do.
    Word,
    Announcement(Box<Announced>),
}

/// Dropped: who waits is told that the runtime has ended.
#[derive(Default)]
pub(super) struct InFlight(VecDeque<Result<InFlightCommand, Own>>);

impl InFlight {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push(&mut self, asked: InFlightCommand) {
        self.0.push_back(Ok(asked));
    }

    /// A command of the connection's own: nobody else waits for its answer.
    pub(super) fn push_own(&mut self, own: Own) {
        self.0.push_back(Err(own));
    }

    /// Whose answer comes next.
    pub(super) fn pop(&mut self) -> Option<Result<InFlightCommand, Own>> {
        self.0.pop_front()
    }

    pub(super) fn append(&mut self, later: &mut Self) {
        self.0.append(&mut later.0);
    }

    /// The operations, in their order.
    pub(super) fn asked(&self) -> impl Iterator<Item = &InFlightCommand> {
        self.0.iter().flatten()
    }

    /// Takes the operations out, in their order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = InFlightCommand> {
        self.0.drain(..).flatten()
    }

    pub(super) fn into_ops(mut self) -> impl Iterator<Item = InFlightCommand> {
        std::mem::take(&mut self.0).into_iter().flatten()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        for asked in self.drain() {
            asked.op.answer(Reply::Failed(runtime_ended()));
        }
    }
}

pub(super) fn runtime_ended() -> Fault {
    Fault::unknown(
        FaultKind::Unreachable,
        "the runtime of this connection has ended",
    )
}
