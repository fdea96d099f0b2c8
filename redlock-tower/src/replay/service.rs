//! The service under the lock: requests with an `Idempotency-Key` take the way of [`run`], all others pass.

use super::{
    ReplayBody, ReplayStore, RequestBody,
    run::{Options, Run, run},
};
use crate::{
    HeldLock,
    http::{BoxError, sealed::Shared},
    key::{self, push_hex},
    reject::Rejection,
};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use pin_project::pin_project;
use sha2::{Digest as _, Sha256};
use std::{
    fmt,
    future::ready,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// The mark on a response that is kept, or was: the record is in place of a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recorded;

/// In the extensions of a response: the answer is kept whatever its status, as the handler took the request.
///
/// For a refusal that is final, which a repetition must not try again.
///
/// ```
/// use axum::{Extension, http::StatusCode, response::IntoResponse};
/// use redlock_tower::replay::Keep;
///
/// async fn pay() -> impl IntoResponse {
///     (StatusCode::PAYMENT_REQUIRED, Extension(Keep), "the card was declined")
/// }
/// # let _ = pay;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Keep;

/// In whose name a request is recorded.
#[derive(Clone)]
pub(crate) struct RecordScope {
    /// The namespace of the `Redlock`, and the layer's key without its route.
    prefix: String,
    /// `None` without a quorum, where the layer fails open.
    pub(crate) lock: Option<HeldLock>,
}

impl RecordScope {
    pub(crate) fn new(namespace: &str, scope: &str) -> Self {
        Self {
            prefix: format!("{namespace}replay:{scope}:"),
            lock: None,
        }
    }

    /// The name of the record of one submit, whose last part is the hash of what the client chose.
    fn record(mut self, idempotency_key: &[u8]) -> (String, Option<HeldLock>) {
        push_hex(&mut self.prefix, &Sha256::digest(idempotency_key));
        (self.prefix, self.lock)
    }
}

/// Answers a repeated request with the first response: see [`replay`](crate::replay).
pub struct ReplayService<S, St> {
    inner: S,
    options: Arc<Options<St>>,
    policy: Arc<Shared>,
}

impl<S, St> ReplayService<S, St> {
    pub(super) fn new(inner: S, options: Arc<Options<St>>, policy: Arc<Shared>) -> Self {
        Self {
            inner,
            options,
            policy,
        }
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
        // taken out, so that it is never another layer's further in
        let scope = request.extensions_mut().remove::<RecordScope>();
        let scope = scope.filter(|_| request.method() != Method::CONNECT);
        let state = match (scope, key::idempotency(request.headers())) {
            // a request without a key, and a tunnel, which has no answer to keep
            (None, _) | (_, Ok(None)) => {
                State::Pass(self.inner.call(request.map(RequestBody::passing)))
            }
            (_, Err(error)) => {
                let policy = &self.policy.0;
                let asker = policy.asker(&request);
                let response = policy.reject(Rejection::no_key(&error), &asker);
                State::Run(Box::pin(ready(Ok(response.map(ReplayBody::rejection)))))
            }
            (Some(scope), Ok(Some(idempotency_key))) => {
                let (record, lock) = scope.record(&idempotency_key);
                let clone = self.inner.clone();
                let service = mem::replace(&mut self.inner, clone);
                let (options, policy) = (Arc::clone(&self.options), Arc::clone(&self.policy));
                State::Run(Box::pin(run(Run {
                    service,
                    request,
                    lock,
                    record,
                    options,
                    policy,
                })))
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
            policy: Arc::clone(&self.policy),
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
    Pass(#[pin] S::Future),
    /// Boxed, since a store's futures have no names; only requests with an `Idempotency-Key` come here
    Run(Pin<Box<dyn Future<Output = Output<ResBody, S::Error>> + Send>>),
}

impl<S, ReqBody, ResBody> Future for ReplayFuture<S, ReqBody, ResBody>
where
    S: Service<Request<RequestBody<ReqBody>>, Response = Response<ResBody>>,
{
    type Output = Output<ResBody, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Pass(future) => future
                .poll(cx)
                .map_ok(|response| response.map(ReplayBody::plain)),
            StateProj::Run(future) => future.as_mut().poll(cx),
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
