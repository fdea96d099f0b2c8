//! What the layer does for every request, and the decisions that follow from it.

use super::BoxError;
use crate::{
    key::Render,
    reject::{self, BusyStatus, RejectContext, Rejection},
    runner::{InFlight, LockPolicy, Route, Running},
};
use bytes::Bytes;
use http::{
    Extensions, HeaderMap, Method, Request, Response, StatusCode, request, response::Parts,
};
use http_body_util::combinators::UnsyncBoxBody;
use std::{
    fmt,
    sync::{Arc, Once},
};

/// When the lock is released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HoldUntil {
    /// When the handler has returned its response. The lock is free before the client receives the head.
    #[default]
    Response,
    /// When the response body has ended, for streams that do the work while they are sent. A slow reader holds the lock
    /// for as long as it reads: bound that with [`max_hold`](crate::RedlockLayer::max_hold).
    ///
    /// A response without a body, such as a 204, a 304 and any response to HEAD, ends with its head. So does one that hands the
    /// connection over, as to a WebSocket (101, or 2xx to CONNECT). No window opens after that one, since its work has only begun.
    /// A handler that needs the lock for such a connection takes it: [`HeldLock::into_guard`](crate::HeldLock::into_guard).
    BodyEnd,
}

/// What happens to the handler when its client disconnects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnDisconnect {
    /// Cancel the handler, as without this layer, and release the lock. The default without a replay.
    ///
    /// With a replay, use this only if the handler can be cancelled at each of its awaits without having written
    /// anything, for example because it writes in one transaction with the record. Otherwise the client's retry runs it
    /// a second time.
    #[default]
    Cancel,
    /// Run the handler to its response, in a task of its own, under the lock. The default with a replay.
    ///
    /// Task-local values of outer layers are not available in that task.
    Finish,
}

/// Default limit of a body that is read for its key: large enough for forms and documents.
const MAX_BODY: usize = 1024 * 1024;

pub(super) type IsFailure = dyn Fn(&Parts) -> bool + Send + Sync;
pub(super) type OnReject =
    dyn Fn(&Rejection, &request::Parts) -> Response<UnsyncBoxBody<Bytes, BoxError>> + Send + Sync;

/// The configuration of a [`RedlockLayer`](super::RedlockLayer).
#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) lock: LockPolicy,
    pub(crate) render: Render,
    pub(crate) required: bool,
    /// `None`: all methods that are not safe, and GET where requests read.
    pub(crate) methods: Option<Arc<[Method]>>,
    pub(crate) hold_until: HoldUntil,
    /// `None`: depends on `replays`.
    pub(crate) on_disconnect: Option<OnDisconnect>,
    /// Whether a replay is inside of the lock.
    pub(crate) replays: bool,
    /// Why the options of the lock contradict the replay.
    pub(super) contradiction: Option<redlock::Error>,
    /// Counts the requests that run in tasks of their own.
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) grpc: bool,
    pub(crate) busy: BusyStatus,
    /// The largest body that is read for a key, in bytes.
    pub(super) max_body: usize,
    pub(crate) failure: Option<Arc<IsFailure>>,
    pub(crate) on_reject: Option<Arc<OnReject>>,
    /// Prefix of problem types.
    pub(super) problem_types: Option<Arc<str>>,
    /// The warning that gRPC methods share a namespace is emitted once per layer.
    pub(super) namespace_warning: Arc<Once>,
}

impl Policy {
    pub(super) fn new(lock: LockPolicy) -> Self {
        Self {
            lock,
            render: Render::default(),
            required: false,
            methods: None,
            hold_until: HoldUntil::default(),
            on_disconnect: None,
            replays: false,
            contradiction: None,
            in_flight: None,
            grpc: false,
            busy: BusyStatus::default(),
            max_body: MAX_BODY,
            failure: None,
            on_reject: None,
            problem_types: None,
            namespace_warning: Arc::new(Once::new()),
        }
    }

    /// Records are guarded by the fencing token. A duplicate gains nothing from waiting behind the first request,
    /// unless the user asked for it.
    #[cfg(feature = "replay")]
    pub(super) fn replay_inside(&mut self, contradiction: Option<redlock::Error>) {
        self.replays = true;
        self.contradiction = contradiction;
        self.lock.options.fencing = Some(true);
        self.lock
            .options
            .wait
            .get_or_insert(std::time::Duration::ZERO);
    }

    pub(super) fn locks(&self, method: &Method) -> bool {
        match &self.methods {
            // A HEAD request runs the handler of GET.
            Some(methods) => {
                methods.contains(method)
                    || (*method == Method::HEAD && methods.contains(&Method::GET))
            }
            None => {
                let reads = matches!(*method, Method::GET | Method::HEAD);
                !method.is_safe() || self.lock.options.read && reads
            }
        }
    }

    /// With a replay the handler runs to its end by default: a cancelled one would run again with the client's retry.
    pub(super) fn on_disconnect(&self) -> OnDisconnect {
        self.on_disconnect.unwrap_or(if self.replays {
            OnDisconnect::Finish
        } else {
            OnDisconnect::Cancel
        })
    }

    pub(super) fn running(&self) -> Option<Running> {
        self.in_flight.as_ref().map(InFlight::enter)
    }

    pub(crate) fn reject_context<B>(&self, request: &Request<B>) -> RejectContext {
        RejectContext {
            grpc: self.grpc || reject::is_grpc(request.headers()),
            head: self
                .on_reject
                .as_ref()
                .map(|_| RejectContext::copy_head(request)),
        }
    }

    /// Warns if gRPC methods share a namespace: they would exclude each other, which is rarely intended.
    pub(super) fn check_namespace(&self, extensions: &Extensions, headers: &HeaderMap) {
        if !self.grpc && self.render.is_common(extensions) && reject::is_grpc(headers) {
            self.namespace_warning
                .call_once(crate::events::common_namespace);
        }
    }

    /// Whether there is neither a cool-down nor a record after this response. A gRPC status that is still to come in
    /// the trailers is not a failure yet.
    pub(crate) fn is_failure(&self, response: &Parts) -> bool {
        if Self::is_refusal(response) {
            return true;
        }
        match &self.failure {
            Some(failure) => failure(response),
            None => {
                !(response.status.is_success() || response.status.is_redirection())
                    || (reject::is_grpc(&response.headers)
                        && reject::status_failed(&response.headers) == Some(true))
            }
        }
    }

    /// Whether the response is a failure whatever the options say.
    pub(crate) fn is_refusal(response: &Parts) -> bool {
        response.extensions.get::<Rejection>().is_some() || asks_for_another_try(response)
    }

    pub(super) fn rejection(&self, error: redlock::Error, route: Route) -> Rejection {
        Rejection::not_acquired(error, self.busy, self.lock.hold_times.longest(route))
    }
}

/// "Not now" statuses. As successes they would be repeated for the length of a cool-down or a record.
fn asks_for_another_try(response: &Parts) -> bool {
    matches!(
        response.status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
    )
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("lock", &self.lock)
            .field("render", &self.render)
            .field("required", &self.required)
            .field("methods", &self.methods)
            .field("hold_until", &self.hold_until)
            .field("on_disconnect", &self.on_disconnect)
            .field("replays", &self.replays)
            .field("grpc", &self.grpc)
            .field("busy", &self.busy)
            .field("max_body", &self.max_body)
            .finish_non_exhaustive()
    }
}
