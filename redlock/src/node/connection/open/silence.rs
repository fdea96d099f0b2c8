//! Silence: when a connection is doubted, replaced and given up.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use super::{super::connect::connect_standby, Liveness, Open};
use crate::{
    command::Request,
    events::node as events,
    fault::{Fault, FaultKind},
    node::redis::ServerConnection,
};

/// A connection that is silent for this many node time-outs is given up.
const MAX_SILENCE: u32 = 4;
/// After this long without incoming data, a connection is tested by a PING.
pub(super) const IDLE: Duration = Duration::from_secs(30);
/// A silence is not doubted earlier, however short the ttl of an operation.
const MIN_DOUBT: Duration = Duration::from_millis(10);

/// How long to wait for the reply to `request` before the connection is doubted: half of the time
/// that the request has.
pub(super) fn doubt_after(request: &Request, timeout: Duration, round_trip: Duration) -> Duration {
    let ttl = request.command.ttl();
    let patience = ttl.map_or(timeout, |ttl| timeout.min(ttl / 4));
    let least = MIN_DOUBT.max(round_trip * 2);
    (patience / 2).max(least).min(timeout)
}

impl Open<'_> {
    /// Ready when the next stage of the silence is reached, or with the cause when the connection
    /// ends.
    pub(super) fn poll_silence(
        &mut self,
        cx: &mut Context<'_>,
        silence: Pin<&mut Sleep>,
    ) -> Poll<Result<(), Fault>> {
        let timeout = self.shared.timeout;
        let patience = match self.liveness {
            Liveness::Alive => self.doubt_after,
            Liveness::Doubted => timeout,
            Liveness::Suspect => timeout * MAX_SILENCE,
        };
        ready!(poll_until(cx, silence, self.silent_since + patience));
        let fault = || {
            Fault::untouched(
                FaultKind::TimedOut,
                format!("no answer within {} ms", timeout.as_millis()),
            )
        };
        match self.liveness {
            Liveness::Alive => {
                self.liveness = Liveness::Doubted;
                self.standby = Some(Box::pin(connect_standby(self.shared)));
            }
            Liveness::Doubted => {
                self.liveness = Liveness::Suspect;
                self.shared.block(&fault(), Duration::MAX);
            }
            Liveness::Suspect => return Poll::Ready(Err(fault())),
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when nothing has arrived for a while, or when the node list has to be announced.
    pub(super) fn poll_idle(&self, cx: &mut Context<'_>, idle: Pin<&mut Sleep>) -> Poll<()> {
        poll_until(cx, idle, self.announce_at.min(self.last_read + IDLE))
    }

    /// Switches to the standby connection, and sends again what was in flight.
    pub(super) fn replace(&mut self, connection: ServerConnection) {
        events::connection_replaced(self.shared.state.name());
        self.shared.set_subscribed(connection.is_subscribed);
        self.connection = connection;
        let in_flight = self.take_in_flight();
        self.note_activity();
        self.resend(in_flight);
    }

    /// The server has sent something.
    pub(super) fn note_activity(&mut self) {
        let now = Instant::now();
        self.last_read = now;
        // The silence of what is still in flight begins now: the server works in order.
        self.silent_since = now;
        self.must_announce |= now >= self.announce_at;
        self.standby = None;
        if std::mem::replace(&mut self.liveness, Liveness::Alive) == Liveness::Suspect {
            self.shared.state.came_back();
            self.shared.unblock();
        }
    }
}

/// Waits until `end`, by a timer that may be set to another time. The timer is reset only if it
/// fires early or late, which is rare, and not for every operation.
fn poll_until(cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>, end: Instant) -> Poll<()> {
    if timer.deadline() > end {
        timer.as_mut().reset(end);
    }
    loop {
        ready!(timer.as_mut().poll(cx));
        if Instant::now() >= end {
            return Poll::Ready(());
        }
        timer.as_mut().reset(end);
    }
}
