//! The service behind [`RedlockLayer`](super::RedlockLayer).

use super::{
    BoxError, ResponseBody,
    future::{Pending, ResponseFuture},
    policy::Policy,
};
use crate::{
    held::Unlocked,
    key::{KeyExtractor, Reads},
    runner::unready_clone,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// Locks each request to `S`: see [`RedlockLayer`](super::RedlockLayer).
pub struct RedlockService<S, K> {
    inner: S,
    key: Arc<K>,
    policy: Arc<Policy>,
}

impl<S, K> RedlockService<S, K> {
    pub(super) fn new(inner: S, key: Arc<K>, policy: Arc<Policy>) -> Self {
        Self { inner, key, policy }
    }
}

impl<S, K, ReqBody, ResBody> Service<Request<ReqBody>> for RedlockService<S, K>
where
    S: Service<Request<<K::Reads as Reads>::Body<ReqBody>>, Response = Response<ResBody>>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    K: KeyExtractor,
    ReqBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    ResBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, K, ReqBody, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let policy = Arc::clone(&self.policy);
        if !policy.locks(request.method()) {
            let request = K::Reads::pass(request);
            return ResponseFuture::unlocked(self.inner.call(request), policy, Unlocked::Method);
        }
        let (mut parts, body) = K::Reads::offer(request, policy.max_body).into_parts();
        let key = self.key.extract(&parts);
        K::Reads::withdraw(&mut parts.extensions);
        let pending = Pending {
            service: unready_clone(&mut self.inner),
            request: Request::from_parts(parts, body),
        };
        ResponseFuture::extract_key(key, pending, policy)
    }
}

impl<S: Clone, K> Clone for RedlockService<S, K> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            key: Arc::clone(&self.key),
            policy: Arc::clone(&self.policy),
        }
    }
}

impl<S: fmt::Debug, K> fmt::Debug for RedlockService<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedlockService")
            .field("inner", &self.inner)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
