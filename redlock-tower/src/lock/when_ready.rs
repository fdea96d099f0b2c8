//! Calls a service once it is ready. Readiness is taken under the lock: whoever waits for a lock occupies no place in the
//! services further in, such as a concurrency limit.

use pin_project::pin_project;
use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// A future that waits before its body begins.
pub(crate) trait Begin: Future {
    /// Waits until the body can begin. The next poll of the future begins it, or returns why it cannot.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// The future of one call, with the wait for the service's readiness.
#[pin_project]
pub(crate) struct WhenReady<S: Service<Req>, Req> {
    #[pin]
    state: State<S, Req>,
}

#[pin_project(project = StateProj)]
enum State<S: Service<Req>, Req> {
    NotReady(Option<(S, Req)>),
    Ready(Option<(S, Req)>),
    Failed(Option<S::Error>),
    Called(#[pin] S::Future),
}

impl<S: Service<Req>, Req> WhenReady<S, Req> {
    pub(crate) fn new(service: S, request: Req) -> Self {
        Self {
            state: State::NotReady(Some((service, request))),
        }
    }
}

impl<S: Service<Req>, Req> State<S, Req> {
    /// What follows when the service has said whether it is ready.
    fn next(pending: &mut Option<(S, Req)>, cx: &mut Context<'_>) -> Poll<Self> {
        if let Some((service, _)) = pending
            && let Err(error) = ready!(service.poll_ready(cx))
        {
            return Poll::Ready(Self::Failed(Some(error)));
        }
        Poll::Ready(Self::Ready(pending.take()))
    }
}

impl<S: Service<Req>, Req> Begin for WhenReady<S, Req> {
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let State::NotReady(pending) = &mut self.state {
            self.state = ready!(State::next(pending, cx));
        }
        Poll::Ready(())
    }
}

impl<S: Service<Req>, Req> Future for WhenReady<S, Req> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::NotReady(pending) => ready!(State::next(pending, cx)),
                StateProj::Ready(pending) => match pending.take() {
                    Some((mut service, request)) => State::Called(service.call(request)),
                    None => return Poll::Pending, // polled after the service panicked
                },
                StateProj::Failed(error) => {
                    return match error.take() {
                        Some(error) => Poll::Ready(Err(error)),
                        None => Poll::Pending, // polled after the error
                    };
                }
                StateProj::Called(future) => return future.poll(cx),
            };
            this.state.set(next);
        }
    }
}

/// A service for a request that has to wait for its lock first, made from one that was polled ready. The readiness is
/// given up, and with it any place that it reserved.
pub(crate) fn not_ready<S: Clone>(inner: &mut S) -> S {
    let fresh = inner.clone();
    drop(mem::replace(inner, fresh));
    inner.clone()
}
