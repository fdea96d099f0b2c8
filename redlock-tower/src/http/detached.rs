//! Runs a request in a task of its own, which continues when the client disconnects.

use crate::runner::Running;
use std::{
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{sync::oneshot, task::JoinHandle};
use tracing::Instrument as _;

/// Resolves to the output of the task, or to `None` if the runtime shut down first.
pub(super) struct Detached<T> {
    output: oneshot::Receiver<T>,
    task: JoinHandle<()>,
}

impl<T: Send + 'static> Detached<T> {
    /// `unread` receives the output if this future has been dropped by then. `running` counts the task.
    pub(super) fn spawn<U>(
        running: Option<Running>,
        request: impl Future<Output = T> + Send + 'static,
        unread: impl FnOnce(T) -> U + Send + 'static,
    ) -> Self
    where
        U: Future<Output = ()> + Send,
    {
        let (sender, output) = oneshot::channel();
        let task = async move {
            let _running = running;
            if let Err(output) = sender.send(request.await) {
                unread(output).await;
            }
        };
        Self {
            output,
            task: tokio::spawn(task.in_current_span()),
        }
    }
}

impl<T> Future for Detached<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Ok(output) = ready!(Pin::new(&mut self.output).poll(cx)) {
            return Poll::Ready(Some(output));
        }
        match ready!(Pin::new(&mut self.task).poll(cx))
            .map_err(tokio::task::JoinError::try_into_panic)
        {
            // Propagate a panic of the handler, as without the task.
            Err(Ok(panic)) => resume_unwind(panic),
            Ok(()) | Err(Err(_)) => Poll::Ready(None),
        }
    }
}
