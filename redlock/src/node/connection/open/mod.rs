//! The state of an open connection.

mod batch;
mod read;
mod retry;
mod retry_timer;
mod serve;
mod silence;
mod write;

use std::{pin::Pin, time::Duration};

use tokio::time::Instant;

pub(super) use self::{
    retry_timer::RetryTimer,
    serve::{End, serve},
};
use super::{in_flight::InFlight, shared::Shared, unanswered::Unanswered};
use crate::node::{Operation, redis::ServerConnection};
use batch::Batch;

/// How long the server has been silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Liveness {
    Alive,
    /// A reply is late: a standby connection is being made.
    Doubted,
    /// No reply for a node time-out: nothing is written until the server answers.
    Suspect,
}

/// A connection in use.
pub(super) struct Open<'a> {
    shared: &'a Shared,
    connection: ServerConnection,
    /// Taken from the backlog and not written yet. Empty between polls; kept for its capacity.
    taken: Vec<Operation>,
    /// The commands of the next call.
    batch: Batch,
    /// To be written again: after a lost connection, or as another step.
    resend: InFlight,
    /// The commands without a reply, in the order of sending.
    in_flight: InFlight,
    /// Some of both may be [missed](super::in_flight::InFlightCommand::missed).
    has_misses: bool,
    /// Start of the silence, while something is in flight.
    silent_since: Instant,
    /// When the server last sent something.
    last_read: Instant,
    /// How long a silence lasts before the connection is doubted: the shortest time of what is in
    /// flight.
    doubt_after: Duration,
    liveness: Liveness,
    /// Makes the connection that replaces this one if it stays silent.
    standby: Option<Pin<Box<dyn Future<Output = ServerConnection> + Send + 'a>>>,
    /// The version of the node list that was announced last.
    announced_version: u64,
    announce_at: Instant,
    must_announce: bool,
    /// When releases are sent again that were answered by errors or lost twice.
    retry: &'a mut RetryTimer,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        drop(Unanswered {
            shared: self.shared,
            in_flight: self.take_in_flight(),
        });
    }
}

impl Open<'_> {
    /// The commands without a reply, in the order of sending.
    fn take_in_flight(&mut self) -> InFlight {
        let mut in_flight = std::mem::take(&mut self.resend);
        in_flight.append(&mut self.in_flight);
        in_flight
    }
}
