//! An open connection: what it keeps, and the loop that writes, reads and watches for silence.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

use super::{
    in_flight::{InFlight, OwnCommand},
    retry::Retry,
    shared::Shared,
    silence::{IDLE, Liveness},
    task::Unanswered,
};
use crate::{
    fault::Fault,
    node::{Operation, redis::Link, trust::lists::ANNOUNCED},
};

/// How a connection ended.
pub(super) struct End {
    pub(super) fault: Fault,
    /// What has no reply yet.
    pub(super) in_flight: InFlight,
    /// The server replied to something on it.
    pub(super) was_of_use: bool,
}

/// Writes and reads until the connection ends, or until nothing is left to do after the handle was dropped (`None`).
/// `unanswered` was in flight on the previous connection and is sent once more.
pub(super) async fn serve(shared: &Shared, link: Link, unanswered: InFlight) -> Option<End> {
    shared.set_subscribed(link.is_subscribed);
    let now = Instant::now();
    let mut open = Open {
        shared,
        link,
        batch: Vec::new(),
        resend: InFlight::default(),
        in_flight: InFlight::default(),
        has_script_misses: false,
        silent_since: now,
        last_read: now,
        doubt_after: shared.timeout / 2,
        liveness: Liveness::Alive,
        standby: None,
        announced_version: 0,
        announce_at: now + shared.jittered(ANNOUNCED),
        must_announce: false,
        retry: Retry::new(),
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

/// A connection that was made and has not ended.
pub(super) struct Open<'a> {
    pub(super) shared: &'a Shared,
    pub(super) link: Link,
    /// Taken from the backlog and not written yet. Empty between polls; kept for its capacity.
    pub(super) batch: Vec<Operation>,
    /// To be written again: resent after a lost connection, or another step.
    pub(super) resend: InFlight,
    /// What waits for its reply, in the order of sending.
    pub(super) in_flight: InFlight,
    /// Some of both may be there since the server did not know their script.
    pub(super) has_script_misses: bool,
    /// Start of the silence, while something is in flight.
    pub(super) silent_since: Instant,
    /// When the server last sent something.
    pub(super) last_read: Instant,
    /// How long a silence lasts before it is doubted; the shortest of what is in flight.
    pub(super) doubt_after: Duration,
    pub(super) liveness: Liveness,
    /// Makes the connection that replaces this one while it is silent.
    pub(super) standby: Option<Pin<Box<dyn Future<Output = Link> + Send + 'a>>>,
    /// The version of the node list that was announced last.
    pub(super) announced_version: u64,
    pub(super) announce_at: Instant,
    pub(super) must_announce: bool,
    /// When releases that were answered by errors are sent again.
    pub(super) retry: Retry,
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
    /// Ready with the reason why the connection ends, or with `None` where nothing is left to do.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut silence: Pin<&mut Sleep>,
        mut idle: Pin<&mut Sleep>,
    ) -> Poll<Option<Fault>> {
        self.shared.wake.register(cx.waker());
        loop {
            self.poll_retry(cx);
            if let Err(fault) = self.poll_link(cx) {
                return Poll::Ready(Some(fault));
            }
            if let Some(standby) = &mut self.standby
                && let Poll::Ready(link) = standby.as_mut().poll(cx)
            {
                self.replace(link);
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
            self.link.write_ping();
            self.in_flight.push_own(OwnCommand::Unread);
        }
    }

    /// Writes what is queued and delivers what has arrived, until there is nothing more of either.
    fn poll_link(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        if let Poll::Ready(fault) = self.link.poll_replaced(cx) {
            return Err(fault);
        }
        loop {
            self.fill_send_buffer();
            if let Poll::Ready(Err(fault)) = self.link.poll_flush(cx) {
                return Err(fault);
            }
            // Replies make room for more, and may cause more to be sent.
            if !self.read(cx)? {
                return Ok(());
            }
        }
    }

    /// What has no reply yet, in the order in which it was sent.
    pub(super) fn take_in_flight(&mut self) -> InFlight {
        let mut in_flight = std::mem::take(&mut self.resend);
        in_flight.append(&mut self.in_flight);
        in_flight
    }
}
