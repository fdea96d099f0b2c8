//! The pause before deferred releases are sent again. It lives longer than a connection: a release that ends each connection
//! it is sent on is sent less and less often.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use super::super::connect::{MAX_PAUSE, MIN_PAUSE};

/// When the next batch of releases is sent again.
pub(in crate::node::connection) struct RetryTimer {
    timer: Option<Pin<Box<Sleep>>>,
    pause: Duration,
}

impl RetryTimer {
    pub(in crate::node::connection) fn new() -> Self {
        Self {
            timer: None,
            pause: MIN_PAUSE,
        }
    }

    /// Starts the timer unless it runs.
    pub(super) fn start(&mut self, jittered: impl FnOnce(Duration) -> Duration) {
        if self.timer.is_none() {
            self.timer = Some(Box::pin(sleep(jittered(self.pause))));
        }
    }

    /// Nothing is deferred any more: all of it was queued.
    pub(super) fn stop(&mut self) {
        self.timer = None;
    }

    /// A release was carried out: the next pause is short again.
    pub(super) fn reset(&mut self) {
        self.pause = MIN_PAUSE;
    }

    /// Ready when the pause is over. The next one is twice as long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.timer {
            Some(timer) => ready!(timer.as_mut().poll(cx)),
            None => return Poll::Pending,
        }
        self.timer = None;
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        Poll::Ready(())
    }
}
