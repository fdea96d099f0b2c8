//! All connections of a runtime in one task.
//!
//! A round sends to every node at once, and the replies arrive together. One task for all
//! connections means one wake-up, and the writes to all nodes follow each other.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::stream::{FuturesUnordered, Stream as _};

use super::ConnectionTask;

/// Polls connections until all have ended.
pub(in crate::node) struct ConnectionTasks {
    tasks: FuturesUnordered<ConnectionTask>,
    /// The task has yielded once, so that other tasks could submit.
    has_yielded: bool,
}

impl ConnectionTasks {
    pub(in crate::node) fn new(tasks: impl IntoIterator<Item = ConnectionTask>) -> Self {
        Self {
            tasks: tasks.into_iter().collect(),
            has_yielded: false,
        }
    }
}

impl Future for ConnectionTasks {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_yielded && self.tasks.iter().any(ConnectionTask::is_busy) {
            // Runs after the tasks that are ready, so that their operations are sent with the same
            // writes.
            self.has_yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.has_yielded = false;
        loop {
            match Pin::new(&mut self.tasks).poll_next(cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
