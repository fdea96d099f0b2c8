//! Runs a future under the lock, until it finishes or the lock is lost.

use super::{Begin, Lease, OnLost};
use pin_project::pin_project;
use redlock::{Lost, Scope};
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Runs `F` while the lock is held. The body is always dropped before the lock is released, and it never begins after the
/// lock was lost, also with [`OnLost::Signal`].
#[pin_project]
pub(crate) struct Run<F> {
    #[pin]
    body: Body<F>,
    on_lost: OnLost,
    loss: Loss,
    lease: Option<Lease>,
}

/// How a loss of the lock is noticed.
enum Loss {
    /// By a look at the lock before each poll of the body. There is no timer yet: a body that is never pending needs none.
    Looked,
    /// By this future, which wakes the task.
    Awaited(Lost),
    /// It no longer cancels the body.
    Ignored,
}

#[pin_project(project = BodyProj)]
enum Body<F> {
    /// `None` while it is moved.
    Waiting(Option<F>),
    Begun(#[pin] Scope<F>),
    Dropped,
}

/// How the body ended.
pub(crate) enum Ran<T> {
    Finished(T, Lease),
    /// The lock was lost before the body finished. The body was dropped.
    Lost(Option<Lease>),
    Panicked(Panic, Lease),
}

/// The payload of a panic, which resumes once the hold has ended.
pub(crate) type Panic = Box<dyn Any + Send>;

impl<F: Begin> Run<F> {
    pub(crate) fn new(body: F, lease: Lease, on_lost: OnLost) -> Self {
        Self {
            body: Body::Waiting(Some(body)),
            on_lost,
            loss: Loss::Looked,
            lease: Some(lease),
        }
    }
}

impl Loss {
    fn is_noticed(&mut self, lease: Option<&Lease>, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Looked => lease.is_some_and(|lease| lease.held().is_lost()),
            Self::Awaited(lost) => Pin::new(lost).poll(cx).is_ready(),
            Self::Ignored => false,
        }
    }

    /// The body is pending: from now on a loss wakes the task.
    fn wake_on(&mut self, lease: Option<&Lease>, cx: &mut Context<'_>) {
        if let (Self::Looked, Some(lease)) = (&*self, lease) {
            let mut lost = lease.held().lost();
            if Pin::new(&mut lost).poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
            *self = Self::Awaited(lost);
        }
    }
}

impl<F: Begin> Future for Run<F> {
    type Output = Ran<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // Check for a loss before polling the body: what a body does after the loss must not count as a success.
        if this.loss.is_noticed(this.lease.as_ref(), cx) {
            *this.loss = Loss::Ignored;
            // A handler that took the guard decides for itself what a loss means.
            if this.lease.as_ref().is_some_and(|lease| !lease.is_taken()) {
                this.body.set(Body::Dropped);
                return Poll::Ready(Ran::Lost(this.lease.take()));
            }
        }
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if let BodyProj::Waiting(waiting) = this.body.as_mut().project()
                && let Some(body) = waiting
            {
                ready!(body.poll_begin(cx));
                if let (Some(body), Some(lease)) = (waiting.take(), &mut *this.lease) {
                    if body.begins() {
                        lease.body_begins();
                    }
                    let body = lease.held().scope(body);
                    this.body.set(Body::Begun(body));
                }
                if *this.on_lost == OnLost::Signal {
                    *this.loss = Loss::Ignored;
                }
            }
            match this.body.as_mut().project() {
                BodyProj::Begun(body) => body.poll(cx),
                BodyProj::Waiting(_) | BodyProj::Dropped => Poll::Pending, // polled after completion
            }
        }));
        let output = match polled {
            Ok(Poll::Ready(output)) => Ok(output),
            Ok(Poll::Pending) => {
                this.loss.wake_on(this.lease.as_ref(), cx);
                return Poll::Pending;
            }
            Err(panic) => Err(panic),
        };
        this.body.set(Body::Dropped);
        Poll::Ready(match (output, this.lease.take()) {
            (Ok(output), Some(lease)) => Ran::Finished(output, lease),
            (Err(panic), Some(lease)) => Ran::Panicked(panic, lease),
            (_, None) => Ran::Lost(None),
        })
    }
}
