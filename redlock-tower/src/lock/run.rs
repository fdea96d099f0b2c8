//! A future under the lock: it ends with its own output, or when the lock is lost.

use super::{Lease, OnLost};
use pin_project::pin_project;
use redlock::{Lost, Scope};
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Runs `F` while the lock is held. The body is dropped before the lock is released, however this ends.
#[pin_project]
pub(crate) struct Run<F> {
    #[pin]
    body: Option<Scope<F>>,
    lost: Option<Lost>,
    lease: Option<Lease>,
}

/// How it ended.
pub(crate) enum Ran<T> {
    /// With its output; the lock is still the layer's, unless it was taken along.
    Finished(T, Lease),
    /// The lock was lost first, and the body was dropped.
    Lost(Option<Lease>),
    /// The body panicked, and was dropped.
    Panicked(Panic, Lease),
}

/// What a body panicked with. It goes on when the lock has ended.
pub(crate) type Panic = Box<dyn Any + Send>;

impl<F: Future> Run<F> {
    pub(crate) fn new(body: F, lease: Lease, on_lost: OnLost) -> Self {
        let lost = match on_lost {
            OnLost::Cancel => Some(lease.held().lost()),
            OnLost::Signal => None,
        };
        Self {
            body: Some(lease.held().scope(body)),
            lost,
            lease: Some(lease),
        }
    }
}

impl<F: Future> Future for Run<F> {
    type Output = Ran<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // before the body: what a body does after the loss is never a success
        if let Some(lost) = this.lost
            && Pin::new(lost).poll(cx).is_ready()
        {
            *this.lost = None;
            // a job that took the guard along decides for itself
            if this.lease.as_ref().is_some_and(|lease| !lease.is_taken()) {
                this.body.set(None);
                return Poll::Ready(Ran::Lost(this.lease.take()));
            }
        }
        let Some(body) = this.body.as_mut().as_pin_mut() else {
            return Poll::Pending; // polled after the end
        };
        let output = match catch_unwind(AssertUnwindSafe(|| body.poll(cx))) {
            Ok(poll) => Ok(ready!(poll)),
            Err(panic) => Err(panic),
        };
        this.body.set(None);
        Poll::Ready(match (output, this.lease.take()) {
            (Ok(output), Some(lease)) => Ran::Finished(output, lease),
            (Err(panic), Some(lease)) => Ran::Panicked(panic, lease),
            (_, None) => Ran::Lost(None),
        })
    }
}
