//! What the layer does, decided once for all of its requests.

use super::{BoxError, ResponseBody};
use crate::{
    key::Render,
    lock::{Ending, Lease, LockOptions},
    reject::{self, Asker, BusyStatus, Reason, Rejection},
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

/// How long the lock is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HoldUntil {
    /// Until the handler has returned its response; the lock is free before the client sees the head of it.
    #[default]
    Response,
    /// Until the body has ended as well: for streams that do the work as they go. A client that reads slowly holds the
    /// lock for as long; see [`max_hold`](crate::RedlockLayer::max_hold).
    BodyEnd,
}

/// What becomes of a handler whose client is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnDisconnect {
    /// It is cancelled, as without this layer, and the lock is released. Default without a replay.
    ///
    /// With a replay, fit only for a handler that has written nothing when it is cancelled at any of its awaits, say
    /// because it writes in one transaction with the record: otherwise the retry runs it a second time.
    #[default]
    Cancel,
    /// It runs to its response, in a task of its own, and keeps the lock until then. Default with a replay.
    ///
    /// Task-local values of layers further out are not there in that task.
    Finish,
}

pub(super) type IsFailure = dyn Fn(&Parts) -> bool + Send + Sync;
pub(super) type OnReject =
    dyn Fn(&Rejection, &request::Parts) -> Response<UnsyncBoxBody<Bytes, BoxError>> + Send + Sync;

/// All options of a layer for HTTP.
#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) lock: LockOptions,
    pub(crate) render: Render,
    pub(crate) required: bool,
    /// `None`: all that are not safe.
    pub(crate) methods: Option<Arc<[Method]>>,
    pub(crate) hold_until: HoldUntil,
    /// `None`: as fits what is inside.
    pub(crate) on_disconnect: Option<OnDisconnect>,
    /// Answers are kept and given again.
    pub(crate) records: bool,
    /// The services inside are gRPC, whatever a request says of itself.
    pub(crate) grpc: bool,
    pub(crate) busy: BusyStatus,
    pub(crate) failure: Option<Arc<IsFailure>>,
    pub(crate) on_reject: Option<Arc<OnReject>>,
    /// It was told that gRPC methods share a namespace.
    pub(super) told: Arc<Once>,
}

impl Policy {
    pub(super) fn new(lock: LockOptions) -> Self {
        Self {
            lock,
            render: Render::default(),
            required: false,
            methods: None,
            hold_until: HoldUntil::default(),
            on_disconnect: None,
            records: false,
            grpc: false,
            busy: BusyStatus::default(),
            failure: None,
            on_reject: None,
            told: Arc::new(Once::new()),
        }
    }

    pub(super) fn locks(&self, method: &Method) -> bool {
        match &self.methods {
            // a HEAD runs the handler of the GET
            Some(methods) => {
                methods.contains(method)
                    || (*method == Method::HEAD && methods.contains(&Method::GET))
            }
            None => !method.is_safe(),
        }
    }

    /// A handler whose answer is kept runs to its end: cancelled half-way, it would be run again by the retry.
    pub(super) fn on_disconnect(&self) -> OnDisconnect {
        self.on_disconnect.unwrap_or(if self.records {
            OnDisconnect::Finish
        } else {
            OnDisconnect::Cancel
        })
    }

    /// What has to be kept of a request to reject it.
    pub(crate) fn asker<B>(&self, request: &Request<B>) -> Asker {
        Asker {
            grpc: self.grpc || reject::is_grpc(request.headers()),
            head: self.on_reject.as_ref().map(|_| Asker::head_of(request)),
        }
    }

    /// Methods of gRPC services that share a namespace exclude each other, which is rarely meant. Told once.
    pub(super) fn check_namespace(&self, extensions: &Extensions, headers: &HeaderMap) {
        if !self.grpc && self.render.is_common(extensions) && reject::is_grpc(headers) {
            self.told.call_once(crate::events::common_namespace);
        }
    }

    /// Whether this response frees the key at once and is not kept; a gRPC status that is still to come in trailers is no failure yet.
    pub(crate) fn is_failure(&self, response: &Parts) -> bool {
        // an inner layer answered in place of the handler, or the handler asks to try again
        if response.extensions.get::<Rejection>().is_some() || asks_for_another_try(response) {
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

    /// What becomes of the key of a request that has ended.
    pub(super) fn ending(&self, lease: &Lease, failed: bool) -> Ending {
        self.lock.holds.record(lease.age());
        match self.lock.dedupe_for {
            Some(window) if !failed => Ending::Settle(window),
            _ => Ending::Release,
        }
    }

    /// The answer in place of the handler's.
    pub(crate) fn reject<B>(
        &self,
        rejection: Rejection,
        asker: &Asker,
    ) -> Response<ResponseBody<B>> {
        rejection.log();
        let mut response = match (&self.on_reject, &asker.head) {
            (Some(on_reject), Some(head)) => on_reject(&rejection, head).map(ResponseBody::custom),
            _ => reject::answer(&rejection, asker.grpc).map(ResponseBody::whole),
        };
        response.extensions_mut().insert(rejection);
        response
    }

    pub(super) fn rejection(&self, error: redlock::Error) -> Rejection {
        Rejection::refused(error, self.busy, self.lock.holds.longest())
    }

    pub(super) fn lost<B>(&self, asker: &Asker) -> Response<ResponseBody<B>> {
        self.reject(Rejection::new(Reason::Lost), asker)
    }
}

/// Statuses that say "not now": taken for a success, they would say so for as long as a window or a record lasts.
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
            .field("records", &self.records)
            .field("grpc", &self.grpc)
            .field("busy", &self.busy)
            .finish_non_exhaustive()
    }
}
