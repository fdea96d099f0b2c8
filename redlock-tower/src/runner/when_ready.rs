//! Waits for a service's readiness, then calls it. Under the lock this happens after the acquisition, so that a
//! request that waits for its lock uses no capacity of inner services, such as a permit of a concurrency limit.

use pin_project::pin_project;
use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// A future that waits before its body begins.
pub(crate) trait Begin: Future {
    /// Waits until the body can begin. The next poll of the future begins it, or returns the error that prevents it.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether the body begins with the next poll. `false`: an error prevents it.
    fn begins(&self) -> bool;
}

/// The future of `poll_ready` followed by `call`.
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
    fn poll_ready(pending: &mut Option<(S, Req)>, cx: &mut Context<'_>) -> Poll<Self> {
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
            self.state = ready!(State::poll_ready(pending, cx));
        }
        Poll::Ready(())
    }

    fn begins(&self) -> bool {
        !matches!(self.state, State::NotReady(_) | State::Failed(_))
    }
}

impl<S: Service<Req>, Req> Future for WhenReady<S, Req> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::NotReady(pending) => ready!(State::poll_ready(pending, cx)),
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

/// A clone of `inner` for a request that has to wait for its lock.
///
/// `inner` was polled ready, and a permit that it reserved would be kept while the request waits. Replace it by a
/// clone to give the permit back.
pub(crate) fn unready_clone<S: Clone>(inner: &mut S) -> S {
    let fresh = inner.clone();
    drop(mem::replace(inner, fresh));
    inner.clone()
}
