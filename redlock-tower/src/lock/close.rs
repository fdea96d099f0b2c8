//! The end of a lock: freed, or kept busy for a window.

use super::Lease;
use crate::events;
use redlock::Guard;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// What becomes of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is free at once.
    Release,
    /// The same after a panic: what the lock protects may be half done, so it is not handed over to the next in line.
    Abandon,
    /// It stays busy for that long, for everybody.
    Settle(Duration),
}

/// Ends a lock, awaited before the answer goes out; dropped, the release goes on in the background.
pub(crate) struct Close(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Close {
    /// Nothing to do where the handler took the guard along.
    pub(crate) fn new(lease: Lease, ending: Ending) -> Option<Self> {
        lease
            .take()
            .map(|guard| Self(Box::pin(close(guard, ending))))
    }
}

async fn close(guard: Guard, ending: Ending) {
    match ending {
        Ending::Release => {
            // Whoever lost the lock has said so.
            if let Err(error) = guard.release().await
                && !error.is_lost()
            {
                events::release_unconfirmed(&error);
            }
        }
        Ending::Abandon => redlock::__private::end_panicked(guard).await,
        Ending::Settle(window) => {
            if let Err(error) = guard.cool_down(window).await {
                events::window_unconfirmed(&error);
            }
        }
    }
}

impl Future for Close {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Close")
    }
}
