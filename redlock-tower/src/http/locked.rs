//! The way of a request under the lock: the handler, then the end of the lock, then the answer.

use super::{BoxError, HoldUntil, ResponseBody, held_body::BodyEnd, inside::sealed::Shared};
use crate::{
    lock::{Begin, Close, Ending, Lease, Panic, Ran, Run},
    reject::{Asker, is_grpc, status_failed},
};
use bytes::Bytes;
use http::{Response, StatusCode, header::CONTENT_LENGTH, response::Parts};
use http_body::Body;
use pin_project::pin_project;
use std::{
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// A future of the service under its lock.
#[pin_project]
pub(super) struct Locked<F: Future> {
    #[pin]
    state: State<F>,
    policy: Arc<Shared>,
    asker: Asker,
}

#[pin_project(project = StateProj)]
enum State<F: Future> {
    Run {
        #[pin]
        run: Run<F>,
    },
    /// What follows waits for the end of the lock.
    Close {
        close: Option<Close>,
        then: Option<Then<F::Output>>,
    },
    Done,
}

/// What the client gets when the lock has ended.
enum Then<O> {
    Output(O),
    Lost,
    Panic(Panic),
}

impl<F: Future> State<F> {
    fn closing(close: Option<Close>, then: Then<F::Output>) -> Self {
        Self::Close {
            close,
            then: Some(then),
        }
    }
}

impl<F: Begin> Locked<F> {
    pub(super) fn new(run: Run<F>, policy: Arc<Shared>, asker: Asker) -> Self {
        Self {
            state: State::Run { run },
            policy,
            asker,
        }
    }
}

impl<F, B, E> Future for Locked<F>
where
    F: Begin<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Run { run } => {
                    let next = match ready!(run.poll(cx)) {
                        Ran::Finished(output, lease) => match after(output, lease, this.policy) {
                            After::Close(close, output) => {
                                State::closing(Some(close), Then::Output(output))
                            }
                            After::Answer(answer) => {
                                this.state.set(State::Done);
                                return Poll::Ready(answer);
                            }
                        },
                        Ran::Lost(lease) => {
                            let close = lease.and_then(|lease| Close::new(lease, Ending::Release));
                            State::closing(close, Then::Lost)
                        }
                        Ran::Panicked(panic, lease) => {
                            State::closing(Close::new(lease, Ending::Abandon), Then::Panic(panic))
                        }
                    };
                    this.state.set(next);
                }
                StateProj::Close { close, then } => {
                    if let Some(close) = close {
                        ready!(Pin::new(close).poll(cx));
                    }
                    let then = then.take();
                    this.state.set(State::Done);
                    return match then {
                        Some(Then::Output(output)) => Poll::Ready(plain(output)),
                        Some(Then::Lost) => Poll::Ready(Ok(this.policy.0.lost(this.asker))),
                        Some(Then::Panic(panic)) => resume_unwind(panic),
                        None => Poll::Pending,
                    };
                }
                StateProj::Done => return Poll::Pending,
            }
        }
    }
}

enum After<B, E> {
    Close(Close, Result<Response<B>, E>),
    Answer(Result<Response<ResponseBody<B>>, E>),
}

/// What becomes of the lock when the handler has returned.
fn after<B: Body, E>(
    output: Result<Response<B>, E>,
    lease: Lease,
    policy: &Arc<Shared>,
) -> After<B, E> {
    let (failed, response) = match output {
        Err(error) => (true, Err(error)),
        Ok(response) => {
            let (mut parts, body) = response.into_parts();
            // a record keeps duplicates away by itself
            let no_window = policy.0.is_failure(&parts) || is_recorded(&mut parts, policy);
            let length = length(&parts);
            let ended = body.is_end_stream() || length == Some(0);
            // success or failure of a gRPC call is told by its trailers
            let untold = policy.0.lock.dedupe_for.is_some()
                && policy.0.failure.is_none()
                && is_grpc(&parts.headers)
                && status_failed(&parts.headers).is_none();
            if !ended && !lease.is_taken() && (untold || policy.0.hold_until == HoldUntil::BodyEnd)
            {
                let end = BodyEnd { length, untold };
                let body = ResponseBody::held(body, lease, Arc::clone(policy), no_window, end);
                return After::Answer(Ok(Response::from_parts(parts, body)));
            }
            (
                no_window || (ended && untold),
                Ok(Response::from_parts(parts, body)),
            )
        }
    };
    let ending = policy.0.ending(&lease, failed);
    match Close::new(lease, ending) {
        Some(close) => After::Close(close, response),
        None => After::Answer(plain(response)),
    }
}

/// How long the body is, as its head says: a server reads no further.
fn length(response: &Parts) -> Option<u64> {
    if matches!(
        response.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    ) {
        return Some(0);
    }
    let length = response.headers.get(CONTENT_LENGTH)?;
    length.to_str().ok()?.trim().parse().ok()
}

/// Whether this layer has kept the answer. The mark of a layer further in says nothing of this one's key.
#[cfg(feature = "replay")]
fn is_recorded(response: &mut Parts, policy: &Shared) -> bool {
    let mark = response.extensions.remove::<crate::replay::Recorded>();
    policy.0.records && mark.is_some()
}

#[cfg(not(feature = "replay"))]
fn is_recorded(_: &mut Parts, _: &Shared) -> bool {
    false
}

fn plain<B, E>(output: Result<Response<B>, E>) -> Result<Response<ResponseBody<B>>, E> {
    output.map(|response| response.map(ResponseBody::plain))
}
