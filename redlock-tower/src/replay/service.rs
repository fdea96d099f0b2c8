//! The service behind [`ReplayLayer`](super::ReplayLayer). Requests without an `Idempotency-Key` pass through.

use super::{
    ReplayBody, ReplayOptions, ReplayStore, RequestBody,
    exchange::{Exchange, record_name},
};
use crate::{
    http::{BoxError, ReplayContext},
    reject::Rejection,
};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use pin_project::pin_project;
use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// Replays the responses of `S`: see [`replay`](crate::replay).
pub struct ReplayService<S, St> {
    inner: S,
    options: Arc<ReplayOptions<St>>,
}

impl<S, St> ReplayService<S, St> {
    pub(super) fn new(inner: S, options: Arc<ReplayOptions<St>>) -> Self {
        Self { inner, options }
    }
}

impl<S, St, ReqBody, ResBody> Service<Request<ReqBody>> for ReplayService<S, St>
where
    S: Service<Request<RequestBody<ReqBody>>, Response = Response<ResBody>>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    S::Error: Send,
    St: ReplayStore,
    ReqBody: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    ResBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<ReplayBody<ResBody>>;
    type Error = S::Error;
    type Future = ReplayFuture<S, ReqBody, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        // Removed, so that a replay further in never mistakes this lock for its own.
        let context = request.extensions_mut().remove::<ReplayContext>();
        // A tunnel has no response to record.
        let context = context.filter(|_| request.method() != Method::CONNECT);
        let name = match &context {
            Some(context) => record_name(context, request.headers(), &self.options),
            None => Ok(None),
        };
        let state = match (context, name) {
            (None, _) | (_, Ok(None)) => {
                State::PassThrough(self.inner.call(request.map(RequestBody::unread)))
            }
            (Some(context), Err(error)) => {
                let policy = context.policy;
                let rejected =
                    policy.reject(Rejection::no_key(&error), &policy.reject_context(&request));
                State::Reject(Some(Box::new(rejected.map(ReplayBody::rejection))))
            }
            (Some(context), Ok(Some(record_name))) => {
                let clone = self.inner.clone();
                let service = mem::replace(&mut self.inner, clone);
                let exchange = Exchange {
                    record_name,
                    arrived: context.arrived,
                    lock: context.lock,
                    options: Arc::clone(&self.options),
                    policy: context.policy,
                };
                State::Exchange(Box::pin(exchange.run(service, request)))
            }
        };
        ReplayFuture { state }
    }
}

impl<S: Clone, St> Clone for ReplayService<S, St> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            options: Arc::clone(&self.options),
        }
    }
}

impl<S: fmt::Debug, St> fmt::Debug for ReplayService<S, St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayService")
            .field("inner", &self.inner)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The future of [`ReplayService`].
#[pin_project]
pub struct ReplayFuture<S: Service<Request<RequestBody<ReqBody>>>, ReqBody, ResBody> {
    #[pin]
    state: State<S, ReqBody, ResBody>,
}

type Output<ResBody, E> = Result<Response<ReplayBody<ResBody>>, E>;

#[pin_project(project = StateProj)]
enum State<S: Service<Request<RequestBody<ReqBody>>>, ReqBody, ResBody> {
    PassThrough(#[pin] S::Future),
    /// Boxed, because it is rare and large.
    Reject(Option<Box<Response<ReplayBody<ResBody>>>>),
    /// Boxed, because the futures of a [`ReplayStore`] have no names.
    Exchange(Pin<Box<dyn Future<Output = Output<ResBody, S::Error>> + Send>>),
}

impl<S, ReqBody, ResBody> Future for ReplayFuture<S, ReqBody, ResBody>
where
    S: Service<Request<RequestBody<ReqBody>>, Response = Response<ResBody>>,
{
    type Output = Output<ResBody, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::PassThrough(future) => future
                .poll(cx)
                .map_ok(|response| response.map(ReplayBody::unread)),
            StateProj::Reject(response) => match response.take() {
                Some(response) => Poll::Ready(Ok(*response)),
                None => Poll::Pending, // polled after completion
            },
            StateProj::Exchange(future) => future.as_mut().poll(cx),
        }
    }
}

impl<S: Service<Request<RequestBody<ReqBody>>>, ReqBody, ResBody> fmt::Debug
    for ReplayFuture<S, ReqBody, ResBody>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayFuture").finish_non_exhaustive()
    }
}
