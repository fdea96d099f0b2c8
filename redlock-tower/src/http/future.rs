//! The future of a [`RedlockService`](super::RedlockService): extract the key, acquire the lock, run the handler.

use super::{
    BoxError, OnDisconnect, ResponseBody, detached::Detached, policy::Policy, run_locked::RunLocked,
};
use crate::{
    events,
    held::{HeldLock, Unlocked},
    key::{Key, KeyError, KeyExtractor, Reads},
    metrics::Wait,
    reject::{Reason, RejectContext, Rejection},
    runner::{Lease, Route, Run, WhenReady},
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

/// The request that the handler receives.
type HandlerRequest<K, ReqBody> = Request<<<K as KeyExtractor>::Reads as Reads>::Body<ReqBody>>;

/// The request while its key is extracted, which may read its body.
type UnreadRequest<K, ReqBody> = Request<<<K as KeyExtractor>::Reads as Reads>::Source<ReqBody>>;

/// The future of [`RedlockService`](super::RedlockService).
#[pin_project]
pub struct ResponseFuture<S, K, ReqBody, ResBody>
where
    S: Service<HandlerRequest<K, ReqBody>>,
    K: KeyExtractor,
    ReqBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    #[pin]
    state: State<S, K, ReqBody, ResBody>,
    policy: Arc<Policy>,
    context: RejectContext,
}

#[pin_project(project = StateProj)]
enum State<S, K, ReqBody, ResBody>
where
    S: Service<HandlerRequest<K, ReqBody>>,
    K: KeyExtractor,
    ReqBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    /// Not locked because of its method.
    Unlocked {
        #[pin]
        future: S::Future,
        why: Unlocked,
    },
    /// Not locked for a reason that was found out later, so that the service has to become ready again.
    UnlockedWhenReady {
        #[pin]
        future: WhenReady<S, HandlerRequest<K, ReqBody>>,
        why: Unlocked,
    },
    ExtractKey {
        #[pin]
        key: K::Future,
        pending: Option<Pending<S, UnreadRequest<K, ReqBody>>>,
    },
    Acquire {
        wait: Wait,
        acquire: Acquire,
        route: Route,
        pending: Option<Pending<S, HandlerRequest<K, ReqBody>>>,
    },
    Run {
        #[pin]
        run: RunLocked<WhenReady<S, HandlerRequest<K, ReqBody>>>,
    },
    /// Runs in a task of its own, also after this future is dropped.
    Detached {
        task: Detached<Result<Response<ResponseBody<ResBody>>, S::Error>>,
    },
    Reject {
        rejection: Option<Rejection>,
    },
}

/// A request that has not been passed to its service yet.
pub(super) struct Pending<S, Req> {
    pub(super) service: S,
    pub(super) request: Req,
}

impl<S, ReqBody> Pending<S, Request<ReqBody>>
where
    S: Service<Request<ReqBody>>,
{
    fn call(self) -> WhenReady<S, Request<ReqBody>> {
        WhenReady::new(self.service, self.request)
    }

    /// Tells a replay under which lock the request runs.
    #[cfg(feature = "replay")]
    fn set_replay_lock(&mut self, policy: &Policy, lock: &HeldLock) {
        use super::ReplayContext;
        if policy.replays
            && let Some(context) = self.request.extensions_mut().get_mut::<ReplayContext>()
        {
            context.lock = Some(lock.clone());
        }
    }
}

impl<S, K, ReqBody, ResBody> ResponseFuture<S, K, ReqBody, ResBody>
where
    S: Service<HandlerRequest<K, ReqBody>>,
    K: KeyExtractor,
    ReqBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    pub(super) fn unlocked(future: S::Future, policy: Arc<Policy>, why: Unlocked) -> Self {
        Self {
            state: State::Unlocked { future, why },
            policy,
            context: RejectContext::default(),
        }
    }

    pub(super) fn extract_key(
        key: K::Future,
        pending: Pending<S, UnreadRequest<K, ReqBody>>,
        policy: Arc<Policy>,
    ) -> Self {
        let context = policy.reject_context(&pending.request);
        Self {
            state: State::ExtractKey {
                key,
                pending: Some(pending),
            },
            policy,
            context,
        }
    }
}

impl<S, K, ReqBody, ResBody> State<S, K, ReqBody, ResBody>
where
    S: Service<HandlerRequest<K, ReqBody>, Response = Response<ResBody>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    K: KeyExtractor,
    ReqBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    ResBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn reject(rejection: Rejection) -> Self {
        Self::Reject {
            rejection: Some(rejection),
        }
    }

    fn key_extracted(
        key: Result<Option<Key>, KeyError>,
        #[cfg_attr(not(feature = "replay"), expect(unused_mut))] mut pending: Pending<
            S,
            HandlerRequest<K, ReqBody>,
        >,
        policy: &Arc<Policy>,
    ) -> Self {
        let key = match policy.required {
            true => key,
            false => key.or_else(KeyError::or_no_key),
        };
        let key = match key.map(|key| key.filter(|key| !key.is_empty())) {
            Ok(Some(key)) => key,
            Ok(None) if policy.required => return Self::reject(Rejection::new(Reason::NoKey)),
            Ok(None) => {
                events::runs_without_key();
                return Self::UnlockedWhenReady {
                    future: pending.call(),
                    why: Unlocked::NoKey,
                };
            }
            Err(error) => {
                if error.is_not_provided() {
                    events::key_not_provided(&error);
                }
                return Self::reject(Rejection::no_key(&error));
            }
        };
        if let Some(error) = &policy.contradiction {
            return Self::reject(Rejection::from(error.clone()));
        }
        #[cfg(feature = "replay")]
        if policy.replays {
            let context = super::ReplayContext::new(&key, policy);
            pending.request.extensions_mut().insert(context);
        }
        let (extensions, uri) = (pending.request.extensions(), pending.request.uri());
        policy.check_namespace(extensions, pending.request.headers());
        let route = Route::of(policy.render.namespace(extensions, uri));
        let key = policy.render.key(extensions, uri, key);
        events::acquiring(&key);
        Self::Acquire {
            wait: Wait::begin(),
            acquire: policy.lock.acquire(key),
            route,
            pending: Some(pending),
        }
    }

    fn acquired(
        guard: redlock::Result<Guard>,
        route: Route,
        mut pending: Pending<S, HandlerRequest<K, ReqBody>>,
        policy: &Arc<Policy>,
        context: &RejectContext,
    ) -> Self {
        let lease = match guard {
            Ok(guard) => Lease::new(guard, route),
            Err(error) if policy.lock.runs_without(&error) => {
                return Self::failed_open(pending, policy);
            }
            Err(error) => return Self::reject(policy.rejection(error, route)),
        };
        let outer = pending.request.extensions_mut().remove();
        let lock = HeldLock::new(&lease, outer);
        #[cfg(feature = "replay")]
        pending.set_replay_lock(policy, &lock);
        pending.request.extensions_mut().insert(lock);
        let method = pending.request.method().clone();
        let run = Run::new(pending.call(), lease, policy.lock.on_lost);
        let run = RunLocked::new(run, Arc::clone(policy), method, context.clone());
        match policy.on_disconnect() {
            OnDisconnect::Cancel => Self::Run { run },
            OnDisconnect::Finish => Self::Detached {
                task: Detached::spawn(policy.running(), run, async |response| {
                    if let Ok(response) = response {
                        response.into_body().read_unread().await;
                    }
                }),
            },
        }
    }

    /// Runs the handler without the lock. A disconnect of its client has the same effect as with it.
    fn failed_open(pending: Pending<S, HandlerRequest<K, ReqBody>>, policy: &Policy) -> Self {
        let why = Unlocked::NoQuorum;
        let future = pending.call();
        match policy.on_disconnect() {
            OnDisconnect::Cancel => Self::UnlockedWhenReady { future, why },
            OnDisconnect::Finish => {
                let future = why.around(future);
                let future = async { Ok(future.await?.map(ResponseBody::inner)) };
                Self::Detached {
                    task: Detached::spawn(policy.running(), future, async |_| ()),
                }
            }
        }
    }
}

/// The request may have a lock of an outer layer.
fn poll_acquire<S, B>(
    acquire: &mut Acquire,
    pending: Option<&Pending<S, Request<B>>>,
    cx: &mut Context<'_>,
) -> Poll<redlock::Result<Guard>> {
    let outer: Option<&HeldLock> = pending.and_then(|pending| pending.request.extensions().get());
    let poll = || Pin::new(acquire).poll(cx);
    match outer {
        Some(outer) => outer.around(poll),
        None => poll(),
    }
}

impl<S, K, ReqBody, ResBody> Future for ResponseFuture<S, K, ReqBody, ResBody>
where
    S: Service<HandlerRequest<K, ReqBody>, Response = Response<ResBody>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    K: KeyExtractor,
    ReqBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    ResBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Unlocked { future, why } => {
                    return why
                        .scope(|| future.poll(cx))
                        .map_ok(|response| response.map(ResponseBody::inner));
                }
                StateProj::UnlockedWhenReady { future, why } => {
                    return why
                        .scope(|| future.poll(cx))
                        .map_ok(|response| response.map(ResponseBody::inner));
                }
                StateProj::ExtractKey { key, pending } => {
                    let key = match (key.poll(cx), &mut *pending) {
                        (Poll::Ready(key), _) => key,
                        (Poll::Pending, Some(pending)) => {
                            ready!(K::Reads::poll_read(pending.request.body_mut(), cx));
                            continue;
                        }
                        (Poll::Pending, None) => return Poll::Pending,
                    };
                    let Some(pending) = pending.take() else {
                        return Poll::Pending; // polled after completion
                    };
                    let pending = Pending {
                        service: pending.service,
                        request: K::Reads::pass_on::<ReqBody>(pending.request),
                    };
                    State::key_extracted(key, pending, this.policy)
                }
                StateProj::Acquire {
                    wait,
                    acquire,
                    route,
                    pending,
                } => {
                    let guard = ready!(poll_acquire(acquire, pending.as_ref(), cx));
                    wait.end();
                    let Some(pending) = pending.take() else {
                        return Poll::Pending; // polled after completion
                    };
                    State::acquired(guard, *route, pending, this.policy, this.context)
                }
                StateProj::Run { run } => return run.poll(cx),
                StateProj::Detached { task } => match ready!(Pin::new(task).poll(cx)) {
                    Some(result) => return Poll::Ready(result),
                    None => State::reject(Rejection::new(Reason::Stopping)),
                },
                StateProj::Reject { rejection } => {
                    let Some(rejection) = rejection.take() else {
                        return Poll::Pending; // polled after completion
                    };
                    return Poll::Ready(Ok(this.policy.reject(rejection, this.context)));
                }
            };
            this.state.set(next);
        }
    }
}

impl<S, K, ReqBody, ResBody> fmt::Debug for ResponseFuture<S, K, ReqBody, ResBody>
where
    S: Service<HandlerRequest<K, ReqBody>>,
    K: KeyExtractor,
    ReqBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
