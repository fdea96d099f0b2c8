//! Runs the handler under its lock, ends the hold, and only then returns the response.

use super::{BoxError, HoldUntil, ResponseBody, held_body::BodyEnd, policy::Policy};
use crate::{
    reject::{RejectContext, is_grpc, status_failed},
    runner::{Begin, EndHold, Ending, Lease, Panic, Ran, Run},
};
use bytes::Bytes;
use http::{Method, Response, StatusCode, header::CONTENT_LENGTH, response::Parts};
use http_body::Body;
use pin_project::pin_project;
use std::{
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

#[pin_project]
pub(super) struct RunLocked<F: Future> {
    #[pin]
    state: State<F>,
    policy: Arc<Policy>,
    method: Method,
    context: RejectContext,
}

#[pin_project(project = StateProj)]
enum State<F: Future> {
    Run {
        #[pin]
        run: Run<F>,
    },
    EndHold {
        end: Option<EndHold>,
        outcome: Option<Outcome<F::Output>>,
    },
    Done,
}

/// What this future completes with once the hold has ended.
enum Outcome<O> {
    Output(O),
    Lost { superseded: bool },
    Panic(Panic),
}

impl<F: Begin> RunLocked<F> {
    pub(super) fn new(
        run: Run<F>,
        policy: Arc<Policy>,
        method: Method,
        context: RejectContext,
    ) -> Self {
        Self {
            state: State::Run { run },
            policy,
            method,
            context,
        }
    }
}

impl<F: Future> State<F> {
    fn end(end: Option<EndHold>, outcome: Outcome<F::Output>) -> Self {
        Self::EndHold {
            end,
            outcome: Some(outcome),
        }
    }
}

impl<F, B, E> Future for RunLocked<F>
where
    F: Begin<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Run { run } => match ready!(run.poll(cx)) {
                    Ran::Finished(Ok(response), lease) => {
                        match end_after(response, lease, this.policy, this.method) {
                            End::Now(end, response) => {
                                State::end(end, Outcome::Output(Ok(response)))
                            }
                            End::WithBody(response) => {
                                this.state.set(State::Done);
                                return Poll::Ready(Ok(response));
                            }
                        }
                    }
                    Ran::Finished(Err(error), lease) => {
                        let end = this.policy.lock.end(lease, false);
                        State::end(end, Outcome::Output(Err(error)))
                    }
                    Ran::Lost(lease) => {
                        let superseded = lease.as_ref().is_some_and(Lease::is_superseded);
                        let end = lease.and_then(|lease| EndHold::new(lease, Ending::Release));
                        State::end(end, Outcome::Lost { superseded })
                    }
                    Ran::Panicked(panic, lease) => {
                        let end = EndHold::new(lease, Ending::ReleaseAfterPanic);
                        State::end(end, Outcome::Panic(panic))
                    }
                },
                StateProj::EndHold { end, outcome } => {
                    if let Some(end) = end {
                        ready!(Pin::new(end).poll(cx));
                    }
                    let outcome = outcome.take();
                    this.state.set(State::Done);
                    return match outcome {
                        Some(Outcome::Output(output)) => {
                            Poll::Ready(output.map(|response| response.map(ResponseBody::inner)))
                        }
                        Some(Outcome::Lost { superseded }) => {
                            Poll::Ready(Ok(this.policy.lost(superseded, this.context)))
                        }
                        Some(Outcome::Panic(panic)) => resume_unwind(panic),
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

/// When the hold of a request ends.
#[expect(
    clippy::large_enum_variant,
    reason = "matched at once, and never stored"
)]
enum End<B> {
    /// Before the response is sent.
    Now(Option<EndHold>, Response<B>),
    /// When the body of the response has ended.
    WithBody(Response<ResponseBody<B>>),
}

fn end_after<B: Body>(
    response: Response<B>,
    lease: Lease,
    policy: &Arc<Policy>,
    method: &Method,
) -> End<B> {
    let (mut head, body) = response.into_parts();
    // Taken in any case, so that an outer layer does not find it.
    let recorded = take_recorded(&mut head, policy);
    let hands_over = hands_connection_over(method, head.status);
    let no_cool_down =
        recorded || policy.is_failure(&head) || (hands_over && policy.failure.is_none());
    let length = content_length(&head);
    let status_in_trailers = policy.lock.options.dedupe_for.is_some()
        && policy.failure.is_none()
        && is_grpc(&head.headers)
        && status_failed(&head.headers).is_none();
    let is_empty = !status_in_trailers && body.size_hint().exact() == Some(0);
    let has_ended = *method == Method::HEAD
        || hands_over
        || length == Some(0)
        || body.is_end_stream()
        || is_empty;
    let body_holds = policy.hold_until == HoldUntil::BodyEnd || status_in_trailers;
    if body_holds && !has_ended && !lease.is_taken() {
        let end = BodyEnd {
            length,
            status_in_trailers,
        };
        let body = ResponseBody::held(body, lease, Arc::clone(policy), no_cool_down, end);
        return End::WithBody(Response::from_parts(head, body));
    }
    // A gRPC response that ends without trailers has no status, and is a failure.
    let succeeded = !no_cool_down && !status_in_trailers;
    End::Now(
        policy.lock.end(lease, succeeded),
        Response::from_parts(head, body),
    )
}

/// Whether the connection is handed over to another protocol after the head. A server reads no body then, and the work of
/// the request has only begun.
fn hands_connection_over(method: &Method, status: StatusCode) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS || (*method == Method::CONNECT && status.is_success())
}

/// The length of the body that the head announces. A server reads no further.
fn content_length(head: &Parts) -> Option<u64> {
    if matches!(
        head.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    ) {
        return Some(0);
    }
    let length = head.headers.get(CONTENT_LENGTH)?;
    length.to_str().ok()?.trim().parse().ok()
}

/// Whether the replay inside has recorded the response. The mark of a replay further in is about another key.
#[cfg(feature = "replay")]
fn take_recorded(head: &mut Parts, policy: &Policy) -> bool {
    let mark = head.extensions.remove::<super::Recorded>();
    policy.replays && mark.is_some()
}

#[cfg(not(feature = "replay"))]
fn take_recorded(_: &mut Parts, _: &Policy) -> bool {
    false
}
