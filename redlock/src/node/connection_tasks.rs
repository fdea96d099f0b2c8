//! All lanes of a runtime in one task.
//!
//! A round asks every node at once, so its operations come to all lanes together, and so do the answers: one task is
//! woken, and not one for each node with other workers to run them, and it writes to all nodes in a row.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::stream::{FuturesUnordered, Stream as _};

use super::connection::ConnectionTask;

/// Polls lanes until all have ended; each when there is something to do for it.
pub(super) struct ConnectionTasks {
    tasks: FuturesUnordered<ConnectionTask>,
    /// Others were given the time to come.
    waited: bool,
}

impl ConnectionTasks {
    pub(super) fn new(tasks: impl IntoIterator<Item = ConnectionTask>) -> Self {
        Self {
            tasks: tasks.into_iter().collect(),
            waited: false,
        }
    }
}

impl Future for ConnectionTasks {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waited && self.tasks.iter().any(ConnectionTask::is_busy) {
            // Behind those that are ready to run: what they have to say goes with the same writes.
            self.waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.waited = false;
        loop {
            match Pin::new(&mut self.tasks).poll_next(cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
