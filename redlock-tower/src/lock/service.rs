//! The service behind [`LockLayer`](super::LockLayer).

use super::{Close, Ending, Lease, LockOptions, Panic, Ran, Run, WhenReady, not_ready};
use pin_project::pin_project;
use redlock::Acquire;
use std::{
    error::Error,
    fmt,
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// Runs requests of the same key one at a time: see [`LockLayer`](super::LockLayer).
pub struct LockService<S, F> {
    inner: S,
    options: Arc<LockOptions>,
    key: Arc<F>,
}

impl<S, F> LockService<S, F> {
    pub(super) fn new(inner: S, options: Arc<LockOptions>, key: Arc<F>) -> Self {
        Self {
            inner,
            options,
            key,
        }
    }
}

impl<S, F, Req> Service<Req> for LockService<S, F>
where
    S: Service<Req> + Clone,
    F: Fn(&Req) -> Option<String>,
{
    type Response = S::Response;
    type Error = LockError<S::Error>;
    type Future = LockFuture<S, Req>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(LockError::Inner)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let options = Arc::clone(&self.options);
        let state = match (self.key)(&request).filter(|key| !key.is_empty()) {
            None => State::Pass {
                future: self.inner.call(request),
            },
            Some(key) => State::Acquire {
                acquire: options.acquire(key),
                pending: Some((not_ready(&mut self.inner), request)),
            },
        };
        LockFuture { state, options }
    }
}

impl<S: Clone, F> Clone for LockService<S, F> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            options: Arc::clone(&self.options),
            key: Arc::clone(&self.key),
        }
    }
}

impl<S: fmt::Debug, F> fmt::Debug for LockService<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockService")
            .field("inner", &self.inner)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The future of [`LockService`].
#[pin_project]
pub struct LockFuture<S: Service<Req>, Req> {
    #[pin]
    state: State<S, Req>,
    options: Arc<LockOptions>,
}

#[pin_project(project = StateProj)]
enum State<S: Service<Req>, Req> {
    Pass {
        #[pin]
        future: S::Future,
    },
    Acquire {
        acquire: Acquire,
        pending: Option<(S, Req)>,
    },
    /// Without the lock, as `fail_open` has it.
    Open {
        #[pin]
        future: WhenReady<S, Req>,
    },
    Run {
        #[pin]
        run: Run<WhenReady<S, Req>>,
    },
    /// The result waits for the end of the lock.
    Close {
        close: Option<Close>,
        result: Option<Result<Outcome<S, Req>, Panic>>,
    },
    Done,
}

type Outcome<S, Req> = Result<<S as Service<Req>>::Response, LockError<<S as Service<Req>>::Error>>;

impl<S: Service<Req>, Req> State<S, Req> {
    fn closing(close: Option<Close>, result: Result<Outcome<S, Req>, Panic>) -> Self {
        Self::Close {
            close,
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
                StateProj::Pass { future } => return future.poll(cx).map_err(LockError::Inner),
                StateProj::Acquire { acquire, pending } => {
                    let acquired = ready!(Pin::new(acquire).poll(cx));
                    let Some((service, request)) = pending.take() else {
                        return Poll::Pending;
                    };
                    match acquired {
                        Ok(guard) => State::Run {
                            run: Run::new(
                                WhenReady::new(service, request),
                                Lease::new(guard),
                                this.options.on_lost,
                            ),
                        },
                        Err(error) if this.options.opens(&error) => State::Open {
                            future: WhenReady::new(service, request),
                        },
                        Err(error) => {
                            this.state.set(State::Done);
                            return Poll::Ready(Err(error.into()));
                        }
                    }
                }
                StateProj::Open { future } => return future.poll(cx).map_err(LockError::Inner),
                StateProj::Run { run } => match ready!(run.poll(cx)) {
                    Ran::Lost(lease) => {
                        let close = lease.and_then(|lease| Close::new(lease, Ending::Release));
                        State::closing(close, Ok(Err(LockError::Lost)))
                    }
                    Ran::Panicked(panic, lease) => {
                        State::closing(Close::new(lease, Ending::Abandon), Err(panic))
                    }
                    Ran::Finished(result, lease) => {
                        let ending = match (this.options.dedupe_for, &result) {
                            (Some(window), Ok(_)) => Ending::Settle(window),
                            _ => Ending::Release,
                        };
                        let result = result.map_err(LockError::Inner);
                        State::closing(Close::new(lease, ending), Ok(result))
                    }
                },
                StateProj::Close { close, result } => {
                    if let Some(close) = close {
                        ready!(Pin::new(close).poll(cx));
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

/// What a [`LockService`] fails with.
#[derive(Debug)]
#[non_exhaustive]
pub enum LockError<E> {
    /// The lock was not to be had; the request did not run.
    Lock(redlock::Error),
    /// More requests wait than `max_waiters` allows; the request did not run.
    TooManyWaiters,
    /// The lock was lost while the request ran; it was cancelled, and how far it got is not known.
    Lost,
    /// The service's own error.
    Inner(E),
}

impl<E> From<redlock::Error> for LockError<E> {
    fn from(error: redlock::Error) -> Self {
        if error.is_too_many_waiters() {
            Self::TooManyWaiters
        } else {
            Self::Lock(error)
        }
    }
}

impl<E: fmt::Display> fmt::Display for LockError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock(error) => write!(f, "the request did not run: {error}"),
            Self::TooManyWaiters => {
                f.write_str("the request did not run: too many wait for the lock already")
            }
            Self::Lost => {
                f.write_str("the lock was lost while the request ran, and it was cancelled")
            }
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for LockError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Lock(error) => Some(error),
            Self::Inner(error) => error.source(),
            Self::TooManyWaiters | Self::Lost => None,
        }
    }
}
