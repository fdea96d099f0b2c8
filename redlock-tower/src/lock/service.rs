//! The service behind [`LockLayer`](super::LockLayer).

use super::{LockError, LockFuture};
use crate::{
    events,
    runner::{LockPolicy, unready_clone},
};
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// Runs requests with the same key one at a time: see [`LockLayer`](super::LockLayer).
pub struct LockService<S, F> {
    inner: S,
    policy: Arc<LockPolicy>,
    key: Arc<F>,
}

impl<S, F> LockService<S, F> {
    pub(super) fn new(inner: S, policy: Arc<LockPolicy>, key: Arc<F>) -> Self {
        Self { inner, policy, key }
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
        let policy = Arc::clone(&self.policy);
        match (self.key)(&request).filter(|key| !key.is_empty()) {
            None => {
                events::runs_without_key();
                LockFuture::unlocked(self.inner.call(request), policy)
            }
            Some(key) => LockFuture::locked(unready_clone(&mut self.inner), request, key, policy),
        }
    }
}

impl<S: Clone, F> Clone for LockService<S, F> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            policy: Arc::clone(&self.policy),
            key: Arc::clone(&self.key),
        }
    }
}

impl<S: fmt::Debug, F> fmt::Debug for LockService<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockService")
            .field("inner", &self.inner)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
