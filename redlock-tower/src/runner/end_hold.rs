//! The end of a hold: the key is released, or kept busy for a cool-down.

use super::Lease;
use crate::events;
use redlock::{Error, Guard};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// How a hold ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Release,
    /// Release without the rest of `at_least`: nothing ran under the lock.
    Unused,
    /// Release without a hand-over to a local waiter: after a panic, what the lock protects may be inconsistent.
    ReleaseAfterPanic,
    /// The key stays busy for this long, for every client.
    CoolDown(Duration),
}

/// Ends a hold before the response is sent. Dropped early, the release continues in the background.
pub(crate) struct EndHold(Pin<Box<dyn Future<Output = ()> + Send>>);

impl EndHold {
    /// `None` if the handler took the guard: the lock is no longer ours to end.
    pub(crate) fn new(lease: Lease, ending: Ending) -> Option<Self> {
        let ending = match lease.is_used() {
            true => ending,
            false => Ending::Unused,
        };
        lease
            .take()
            .map(|guard| Self(Box::pin(end_hold(guard, ending))))
    }
}

async fn end_hold(guard: Guard, ending: Ending) {
    match ending {
        Ending::Release => report(guard.release().await),
        Ending::Unused => report(guard.release_early().await),
        Ending::ReleaseAfterPanic => redlock::__private::end_panicked(guard).await,
        Ending::CoolDown(window) => match guard.cool_down(window).await {
            Ok(()) => events::cooled_down(),
            // No cool-down began.
            Err(error) if is_of_lost_lock(&error) => {}
            Err(error) => events::cool_down_unconfirmed(&error),
        },
    }
}

fn report(released: redlock::Result<()>) {
    if let Err(error) = released
        && !is_of_lost_lock(&error)
    {
        events::release_unconfirmed(&error);
    }
}

/// Whether the lock had ended by a loss, to a newer request or otherwise, which has had its event.
fn is_of_lost_lock(error: &Error) -> bool {
    error.is_lost() || error.is_superseded()
}

impl Future for EndHold {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for EndHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndHold")
    }
}
