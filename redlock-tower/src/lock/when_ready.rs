//! Calls a service once it is ready. Readiness is taken under the lock: whoever waits for a lock occupies no place in the
//! services further in, such as a concurrency limit.

use pin_project::pin_project;
use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// The future of one call, with the wait for the service's readiness.
#[pin_project]
pub(crate) struct WhenReady<S: Service<Req>, Req> {
    #[pin]
    state: State<S, Req>,
}

#[pin_project(project = StateProj)]
enum State<S: Service<Req>, Req> {
    NotReady(Option<(S, Req)>),
    Called(#[pin] S::Future),
}

impl<S: Service<Req>, Req> WhenReady<S, Req> {
    pub(crate) fn new(service: S, request: Req) -> Self {
        Self {
            state: State::NotReady(Some((service, request))),
        }
    }
}

impl<S: Service<Req>, Req> Future for WhenReady<S, Req> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let StateProj::NotReady(pending) = this.state.as_mut().project() {
            if let Some((service, _)) = pending {
                ready!(service.poll_ready(cx))?;
            }
            let Some((mut service, request)) = pending.take() else {
                return Poll::Pending; // polled after an error
            };
            let future = service.call(request);
            this.state.set(State::Called(future));
        }
        match this.state.project() {
            StateProj::Called(future) => future.poll(cx),
            StateProj::NotReady(_) => Poll::Pending,
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
