//! A request that runs in a task of its own, whether or not anybody waits for its answer.

use std::{
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{sync::oneshot, task::JoinHandle};
use tracing::Instrument as _;

/// Resolves to the answer, or to `None` where the runtime ended first.
pub(super) struct Detached<T> {
    answer: oneshot::Receiver<T>,
    task: JoinHandle<()>,
}

impl<T: Send + 'static> Detached<T> {
    /// `unread` is given an answer for which nobody waits any more.
    pub(super) fn spawn<U>(
        request: impl Future<Output = T> + Send + 'static,
        unread: impl FnOnce(T) -> U + Send + 'static,
    ) -> Self
    where
        U: Future<Output = ()> + Send,
    {
        let (sender, answer) = oneshot::channel();
        let task = async move {
            if let Err(answer) = sender.send(request.await) {
                unread(answer).await;
            }
        };
        Self {
            answer,
            task: tokio::spawn(task.in_current_span()),
        }
    }
}

impl<T> Future for Detached<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Ok(answer) = ready!(Pin::new(&mut self.answer).poll(cx)) {
            return Poll::Ready(Some(answer));
        }
        match ready!(Pin::new(&mut self.task).poll(cx))
            .map_err(tokio::task::JoinError::try_into_panic)
        {
            // the handler's, as it would have come through here without the task
            Err(Ok(panic)) => resume_unwind(panic),
            Ok(()) | Err(Err(_)) => Poll::Ready(None),
        }
    }
}
