//! Runs a request in a task of its own, which continues when the client disconnects.

use crate::runner::Running;
use redlock::__private::in_current_span;
use std::{
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{sync::oneshot, task::JoinHandle};

/// Resolves to the output of the task, or to `None` if the runtime shut down first.
pub(super) struct Detached<T> {
    /// `None` once the task has dropped its sender, which may be some time before the task has ended.
    output: Option<oneshot::Receiver<T>>,
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
            output: Some(output),
            task: tokio::spawn(in_current_span(task)),
        }
    }
}

impl<T> Future for Detached<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(output) = &mut self.output {
            match ready!(Pin::new(output).poll(cx)) {
                Ok(output) => return Poll::Ready(Some(output)),
                Err(_) => self.output = None,
            }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test]
    async fn a_task_that_ends_after_its_sender_was_dropped_is_waited_for() {
        let (sender, output) = oneshot::channel::<()>();
        let (end, ends) = oneshot::channel::<()>();
        drop(sender);
        let task = tokio::spawn(async { drop(ends.await) });
        let mut detached = Detached {
            output: Some(output),
            task,
        };
        for _ in 0..2 {
            let pending = poll_fn(|cx| Poll::Ready(Pin::new(&mut detached).poll(cx).is_pending()));
            assert!(pending.await, "the task runs");
        }
        end.send(()).unwrap();
        assert_eq!(detached.await, None);
    }
}
