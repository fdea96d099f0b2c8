//! The loop of an open connection: it writes, reads and watches for silence.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use tokio::time::{Instant, Sleep, sleep};

use super::{
    super::{
        in_flight::{InFlight, OwnCommand},
        shared::Shared,
    },
    Liveness, Open,
    batch::Batch,
    retry_timer::RetryTimer,
    silence::IDLE,
};
use crate::{
    fault::Fault,
    node::{redis::ServerConnection, trust::lists::ANNOUNCED},
};

/// How a connection ended.
pub(in crate::node::connection) struct End {
    pub(in crate::node::connection) fault: Fault,
    /// What has no reply yet.
    pub(in crate::node::connection) in_flight: InFlight,
    /// The server replied to something on it.
    pub(in crate::node::connection) was_of_use: bool,
}

/// Writes and reads until the connection ends, or until nothing is left to do after the handle was dropped (`None`).
/// `unanswered` was in flight on the previous connection and is sent once more.
pub(in crate::node::connection) async fn serve<'a>(
    shared: &'a Shared,
    retry: &'a mut RetryTimer,
    connection: ServerConnection,
    unanswered: InFlight,
) -> Option<End> {
    // What was deferred before is queued.
    retry.stop();
    shared.set_subscribed(connection.is_subscribed);
    let now = Instant::now();
    let mut open = Open {
        shared,
        connection,
        taken: Vec::new(),
        batch: match shared.is_redirected {
            true => Batch::none(),
            false => Batch::to(&shared.target),
        },
        resend: InFlight::default(),
        in_flight: InFlight::default(),
        has_misses: false,
        silent_since: now,
        last_read: now,
        doubt_after: shared.timeout / 2,
        liveness: Liveness::Alive,
        standby: None,
        announced_version: 0,
        announce_at: now + shared.jittered(ANNOUNCED),
        must_announce: false,
        retry,
    };
    open.resend(unanswered);
    let mut silence = pin!(sleep(shared.timeout));
    let mut idle = pin!(sleep(IDLE));
    let fault = poll_fn(|cx| open.poll(cx, silence.as_mut(), idle.as_mut())).await?;
    Some(End {
        fault,
        in_flight: open.take_in_flight(),
        was_of_use: open.last_read > now,
    })
}

impl Open<'_> {
    /// Ready with the cause when the connection ends, or with `None` when nothing is left to do.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut silence: Pin<&mut Sleep>,
        mut idle: Pin<&mut Sleep>,
    ) -> Poll<Option<Fault>> {
        self.shared.wake.register(cx.waker());
        loop {
            if let Err(fault) = self.poll_connection(cx) {
                return Poll::Ready(Some(fault));
            }
            // After reading, which may start the timer: it wakes this task only once it is polled.
            if self.poll_retry(cx) {
                continue;
            }
            if let Some(standby) = &mut self.standby
                && let Poll::Ready(connection) = standby.as_mut().poll(cx)
            {
                self.replace(connection);
                continue;
            }
            if !self.in_flight.is_empty() {
                match ready!(self.poll_silence(cx, silence.as_mut())) {
                    Ok(()) => continue,
                    Err(fault) => return Poll::Ready(Some(fault)),
                }
            }
            if self.shared.is_done() {
                return Poll::Ready(None);
            }
            ready!(self.poll_idle(cx, idle.as_mut()));
            self.silent_since = Instant::now();
            if self.silent_since >= self.announce_at {
                self.must_announce = true;
                continue;
            }
            self.connection.write_ping();
            self.in_flight.push_own(OwnCommand::Unread);
        }
    }

    /// Writes what is queued and delivers what has arrived, until there is nothing left to do.
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        if let Poll::Ready(fault) = self.connection.poll_replaced(cx) {
            return Err(fault);
        }
        loop {
            self.log_in_again(cx);
            self.fill_send_buffer();
            if let Poll::Ready(Err(fault)) = self.connection.poll_flush(cx) {
                return Err(fault);
            }
            // Replies make room for more, and may cause more to be sent.
            if !self.read(cx)? {
                return Ok(());
            }
        }
    }
}
