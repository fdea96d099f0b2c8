//! The way of a request: key, lock, handler.

use super::{
    BoxError, OnDisconnect, ResponseBody, detached::Detached, inside::sealed::Shared,
    locked::Locked,
};
use crate::{
    held::{HeldLock, Passed},
    key::{Key, KeyError, KeyExtractor},
    lock::{Lease, Run, WhenReady},
    reject::{Asker, Reason, Rejection},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project::pin_project;
use redlock::{Acquire, Guard};
use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// The future of [`RedlockService`](super::RedlockService).
#[pin_project]
pub struct ResponseFuture<S, K, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>>,
    K: KeyExtractor,
{
    #[pin]
    state: State<S, K, ReqBody, ResBody>,
    policy: Arc<Shared>,
    asker: Asker,
}

#[pin_project(project = StateProj)]
enum State<S, K, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>>,
    K: KeyExtractor,
{
    Pass {
        #[pin]
        future: S::Future,
        why: Passed,
    },
    /// As `Pass`, for a request whose key had to be asked for first.
    Unlocked {
        #[pin]
        future: WhenReady<S, Request<ReqBody>>,
        why: Passed,
    },
    Extract {
        #[pin]
        key: K::Future,
        pending: Option<Pending<S, ReqBody>>,
    },
    Acquire {
        acquire: Acquire,
        pending: Option<Pending<S, ReqBody>>,
    },
    Run {
        #[pin]
        locked: Locked<WhenReady<S, Request<ReqBody>>>,
    },
    /// Runs in a task of its own, whether or not anybody waits here.
    Detached {
        task: Detached<Result<Response<ResponseBody<ResBody>>, S::Error>>,
    },
    Reject {
        rejection: Option<Rejection>,
    },
}

/// A request on its way to the service, which is asked for its readiness under the lock.
pub(super) struct Pending<S, ReqBody> {
    pub(super) service: S,
    pub(super) request: Request<ReqBody>,
    /// In whose name the answer is kept, once there is a key.
    #[cfg(feature = "replay")]
    pub(super) scope: Option<crate::replay::RecordScope>,
}

impl<S, ReqBody> Pending<S, ReqBody> {
    pub(super) fn new(service: S, request: Request<ReqBody>) -> Self {
        Self {
            service,
            request,
            #[cfg(feature = "replay")]
            scope: None,
        }
    }

    /// Tells the replay in whose name, and under which lock, if any.
    fn tell(
        &mut self,
        #[cfg_attr(not(feature = "replay"), expect(unused))] lock: Option<&HeldLock>,
    ) {
        #[cfg(feature = "replay")]
        if let Some(mut scope) = self.scope.take() {
            scope.lock = lock.cloned();
            self.request.extensions_mut().insert(scope);
        }
    }
}

impl<S, K, ReqBody, ResBody> ResponseFuture<S, K, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>>,
    K: KeyExtractor,
{
    pub(super) fn pass(future: S::Future, policy: Arc<Shared>, why: Passed) -> Self {
        Self {
            state: State::Pass { future, why },
            policy,
            asker: Asker::default(),
        }
    }

    pub(super) fn extract(
        key: K::Future,
        pending: Pending<S, ReqBody>,
        policy: Arc<Shared>,
    ) -> Self {
        let asker = policy.0.asker(&pending.request);
        Self {
            state: State::Extract {
                key,
                pending: Some(pending),
            },
            policy,
            asker,
        }
    }
}

impl<S, K, ReqBody, ResBody> State<S, K, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    K: KeyExtractor,
    ReqBody: Send + 'static,
    ResBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn reject(rejection: Rejection) -> Self {
        Self::Reject {
            rejection: Some(rejection),
        }
    }

    fn unlocked(pending: Pending<S, ReqBody>, why: Passed) -> Self {
        Self::Unlocked {
            future: WhenReady::new(pending.service, pending.request),
            why,
        }
    }

    /// Without the lock. The handler ends as it does with one when its client is gone.
    fn opened(pending: Pending<S, ReqBody>, policy: &Shared) -> Self {
        let why = Passed::NoQuorum;
        match policy.0.on_disconnect() {
            OnDisconnect::Cancel => Self::unlocked(pending, why),
            OnDisconnect::Finish => {
                let future = why.around(WhenReady::new(pending.service, pending.request));
                let future = async { Ok(future.await?.map(ResponseBody::plain)) };
                Self::Detached {
                    task: Detached::spawn(future, async |_| ()),
                }
            }
        }
    }

    fn with_key(
        key: Result<Option<Key>, KeyError>,
        #[cfg_attr(not(feature = "replay"), expect(unused_mut))] mut pending: Pending<S, ReqBody>,
        policy: &Shared,
    ) -> Self {
        let policy = &policy.0;
        match key.map(|key| key.filter(|key| !key.is_empty())) {
            Err(error) => Self::reject(Rejection::no_key(&error)),
            Ok(None) if policy.required => Self::reject(Rejection::new(Reason::NoKey)),
            Ok(None) => Self::unlocked(pending, Passed::NoKey),
            Ok(Some(key)) => {
                #[cfg(feature = "replay")]
                if policy.records {
                    let namespace = redlock::__private::namespace(&policy.lock.redlock);
                    let scope = policy.render.record_scope(&key);
                    pending.scope = Some(crate::replay::RecordScope::new(namespace, &scope));
                }
                let (extensions, uri) = (pending.request.extensions(), pending.request.uri());
                policy.check_namespace(extensions, pending.request.headers());
                let key = policy.render.key(extensions, uri, key);
                crate::events::asks(&key);
                Self::Acquire {
                    acquire: policy.lock.acquire(key),
                    pending: Some(pending),
                }
            }
        }
    }

    fn with_lock(
        acquired: redlock::Result<Guard>,
        mut pending: Pending<S, ReqBody>,
        policy: &Arc<Shared>,
        asker: &Asker,
    ) -> Self {
        let lease = match acquired {
            Ok(guard) => Lease::new(guard),
            Err(error) if policy.0.lock.opens(&error) => {
                pending.tell(None);
                return Self::opened(pending, policy);
            }
            Err(error) => return Self::reject(policy.0.rejection(error)),
        };
        let lock = HeldLock::new(&lease);
        pending.tell(Some(&lock));
        pending.request.extensions_mut().insert(lock);
        let run = Run::new(
            WhenReady::new(pending.service, pending.request),
            lease,
            policy.0.lock.on_lost,
        );
        let locked = Locked::new(run, Arc::clone(policy), asker.clone());
        match policy.0.on_disconnect() {
            OnDisconnect::Cancel => Self::Run { locked },
            OnDisconnect::Finish => Self::Detached {
                task: Detached::spawn(locked, async |answer| {
                    if let Ok(answer) = answer {
                        answer.into_body().read_unread().await;
                    }
                }),
            },
        }
    }
}

impl<S, K, ReqBody, ResBody> Future for ResponseFuture<S, K, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    K: KeyExtractor,
    ReqBody: Send + 'static,
    ResBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Pass { future, why } => {
                    return why
                        .scope(|| future.poll(cx))
                        .map_ok(|response| response.map(ResponseBody::plain));
                }
                StateProj::Unlocked { future, why } => {
                    return why
                        .scope(|| future.poll(cx))
                        .map_ok(|response| response.map(ResponseBody::plain));
                }
                StateProj::Extract { key, pending } => {
                    let key = ready!(key.poll(cx));
                    let Some(pending) = pending.take() else {
                        return Poll::Pending;
                    };
                    State::with_key(key, pending, this.policy)
                }
                StateProj::Acquire { acquire, pending } => {
                    let acquired = ready!(Pin::new(acquire).poll(cx));
                    let Some(pending) = pending.take() else {
                        return Poll::Pending;
                    };
                    State::with_lock(acquired, pending, this.policy, this.asker)
                }
                StateProj::Run { locked } => return locked.poll(cx),
                StateProj::Detached { task } => match ready!(Pin::new(task).poll(cx)) {
                    Some(result) => return Poll::Ready(result),
                    None => State::reject(Rejection::new(Reason::Stopping)),
                },
                StateProj::Reject { rejection } => {
                    let Some(rejection) = rejection.take() else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(Ok(this.policy.0.reject(rejection, this.asker)));
                }
            };
            this.state.set(next);
        }
    }
}

impl<S, K, ReqBody, ResBody> fmt::Debug for ResponseFuture<S, K, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>>,
    K: KeyExtractor,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
