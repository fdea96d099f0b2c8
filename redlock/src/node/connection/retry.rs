//! Releases that a node answered by an error: a release that failed is no release, so it is sent again after a pause.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use super::{
    open::Open,
    silence::Liveness,
    task::{MAX_PAUSE, MIN_PAUSE},
};
use crate::{command::Reply, env::sync::lock, fault::FaultKind, node::Operation};

/// Maximum number of releases that are sent again at a time, so that a node that answers all of them by errors is not
/// flooded.
const MAX_BATCH: usize = 64;

/// When the next batch is sent again.
pub(super) struct Retry {
    timer: Option<Pin<Box<Sleep>>>,
    pause: Duration,
}

impl Retry {
    pub(super) fn new() -> Self {
        Self {
            timer: None,
            pause: MIN_PAUSE,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.timer {
            Some(timer) => ready!(timer.as_mut().poll(cx)),
            None => return Poll::Pending,
        }
        self.timer = None;
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        Poll::Ready(())
    }
}

impl Open<'_> {
    /// Defers a release unless the node has carried it out, or never will.
    pub(super) fn defer_unless_done(&mut self, op: &Operation, reply: &Reply) {
        match reply {
            // It is sent to the server that the fault names.
            Reply::Failed(fault) if self.shared.is_redirected && fault.kind == FaultKind::Moved => {
            }
            Reply::Failed(fault) if !fault.is_final() => {
                lock(&self.shared.backlog).defer(op.clone(), self.shared.clock.now());
                self.schedule_retry();
            }
            _ => self.retry.pause = MIN_PAUSE,
        }
    }

    /// Queues a batch of deferred releases when their pause is over.
    pub(super) fn poll_retry(&mut self, cx: &mut Context<'_>) {
        while self.liveness != Liveness::Suspect && self.retry.poll(cx).is_ready() {
            let now = self.shared.clock.now();
            if lock(&self.shared.backlog).retry(MAX_BATCH, now) {
                self.schedule_retry();
            }
        }
    }

    fn schedule_retry(&mut self) {
        if self.retry.timer.is_none() {
            let pause = self.shared.jittered(self.retry.pause);
            self.retry.timer = Some(Box::pin(sleep(pause)));
        }
    }
}
