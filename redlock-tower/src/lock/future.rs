//! The future of a [`LockService`](super::LockService): acquire, run, end the hold, return the result.

use super::LockError;
use crate::runner::{EndHold, Ending, Lease, LockPolicy, Panic, Ran, Route, Run, WhenReady};
use pin_project::pin_project;
use redlock::{Acquire, Guard};
use std::{
    fmt,
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// The future of [`LockService`](super::LockService).
#[pin_project]
pub struct LockFuture<S: Service<Req>, Req> {
    #[pin]
    state: State<S, Req>,
    policy: Arc<LockPolicy>,
}

#[pin_project(project = StateProj)]
enum State<S: Service<Req>, Req> {
    /// The request has no key.
    Unlocked {
        #[pin]
        future: S::Future,
    },
    Acquire {
        acquire: Acquire,
        request: Option<(S, Req)>,
    },
    /// The lock was not acquired, and the layer fails open.
    FailedOpen {
        #[pin]
        future: WhenReady<S, Req>,
    },
    Run {
        #[pin]
        run: Run<WhenReady<S, Req>>,
    },
    EndHold {
        end: Option<EndHold>,
        result: Option<Result<Output<S, Req>, Panic>>,
    },
    Done,
}

type Output<S, Req> = Result<<S as Service<Req>>::Response, LockError<<S as Service<Req>>::Error>>;

impl<S: Service<Req>, Req> LockFuture<S, Req> {
    pub(super) fn unlocked(future: S::Future, policy: Arc<LockPolicy>) -> Self {
        Self {
            state: State::Unlocked { future },
            policy,
        }
    }

    pub(super) fn locked(service: S, request: Req, key: String, policy: Arc<LockPolicy>) -> Self {
        Self {
            state: State::Acquire {
                acquire: policy.acquire(key),
                request: Some((service, request)),
            },
            policy,
        }
    }
}

impl<S: Service<Req>, Req> State<S, Req> {
    fn acquired(
        guard: redlock::Result<Guard>,
        (service, request): (S, Req),
        policy: &LockPolicy,
    ) -> Self {
        let future = WhenReady::new(service, request);
        match guard {
            Ok(guard) => Self::Run {
                run: Run::new(future, Lease::new(guard, Route::default()), policy.on_lost),
            },
            Err(error) if policy.runs_without(&error) => Self::FailedOpen { future },
            Err(error) => Self::end(None, Ok(Err(error.into()))),
        }
    }

    fn ran(ran: Ran<Result<S::Response, S::Error>>, policy: &LockPolicy) -> Self {
        match ran {
            Ran::Finished(result, lease) => {
                let end = policy.end(lease, result.is_ok());
                Self::end(end, Ok(result.map_err(LockError::Inner)))
            }
            Ran::Lost(lease) => {
                let error = match lease.as_ref().is_some_and(Lease::is_superseded) {
                    true => LockError::Superseded,
                    false => LockError::Lost,
                };
                let end = lease.and_then(|lease| EndHold::new(lease, Ending::Release));
                Self::end(end, Ok(Err(error)))
            }
            Ran::Panicked(panic, lease) => {
                Self::end(EndHold::new(lease, Ending::ReleaseAfterPanic), Err(panic))
            }
        }
    }

    fn end(end: Option<EndHold>, result: Result<Output<S, Req>, Panic>) -> Self {
        Self::EndHold {
            end,
            result: Some(result),
        }
    }
}

impl<S: Service<Req>, Req> Future for LockFuture<S, Req> {
    type Output = Result<S::Response, LockError<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Unlocked { future } => return future.poll(cx).map_err(LockError::Inner),
                StateProj::FailedOpen { future } => {
                    return future.poll(cx).map_err(LockError::Inner);
                }
                StateProj::Acquire { acquire, request } => {
                    let guard = ready!(Pin::new(acquire).poll(cx));
                    match request.take() {
                        Some(request) => State::acquired(guard, request, this.policy),
                        None => State::Done,
                    }
                }
                StateProj::Run { run } => State::ran(ready!(run.poll(cx)), this.policy),
                StateProj::EndHold { end, result } => {
                    if let Some(end) = end {
                        ready!(Pin::new(end).poll(cx));
                    }
                    let result = result.take();
                    this.state.set(State::Done);
                    return match result {
                        Some(Ok(result)) => Poll::Ready(result),
                        Some(Err(panic)) => resume_unwind(panic),
                        None => Poll::Pending,
                    };
                }
                // polled after completion
                StateProj::Done => return Poll::Pending,
            };
            this.state.set(next);
        }
    }
}

impl<S: Service<Req>, Req> fmt::Debug for LockFuture<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockFuture").finish_non_exhaustive()
    }
}
