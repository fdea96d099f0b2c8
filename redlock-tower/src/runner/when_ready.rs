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

fn poll_ready<S: Service<Req>, Req>(
    pending: &mut Option<(S, Req)>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), S::Error>> {
    match pending {
        Some((service, _)) => service.poll_ready(cx),
        None => Poll::Ready(Ok(())),
    }
}

impl<S: Service<Req>, Req> Begin for WhenReady<S, Req> {
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let State::NotReady(pending) = &mut self.state {
            self.state = match ready!(poll_ready(pending, cx)) {
                Ok(()) => State::Ready(pending.take()),
                Err(error) => State::Failed(Some(error)),
            };
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
            let pending = match this.state.as_mut().project() {
                StateProj::NotReady(pending) => match ready!(poll_ready(pending, cx)) {
                    Ok(()) => pending,
                    Err(error) => {
                        *pending = None;
                        return Poll::Ready(Err(error));
                    }
                },
                StateProj::Ready(pending) => pending,
                StateProj::Failed(error) => {
                    return match error.take() {
                        Some(error) => Poll::Ready(Err(error)),
                        None => Poll::Pending, // polled after the error
                    };
                }
                StateProj::Called(future) => return future.poll(cx),
            };
            let Some((mut service, request)) = pending.take() else {
                return Poll::Pending; // polled after the service panicked, or after the error
            };
            let future = service.call(request);
            this.state.set(State::Called(future));
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
