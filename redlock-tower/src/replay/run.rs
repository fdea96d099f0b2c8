//! The way of a request with an `Idempotency-Key`, under its lock: look, run, keep.

use super::{
    Begun, Keep, ReplayBody, ReplayStore, RequestBody,
    body::Tail,
    fingerprint::{Chosen, chosen, fingerprint},
    keep::Keeper,
    record::{self, Answer, Whole},
    service::Recorded,
};
use crate::{
    HeldLock, events,
    http::{BoxError, HoldUntil, sealed::Shared},
    reject::{Reason, Rejection},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, response};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::{error::Error, fmt, sync::Arc, time::Duration};
use tower_service::Service;

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The options of the replay.
#[derive(Clone)]
pub(super) struct Options<St> {
    pub(super) store: St,
    pub(super) ttl: Duration,
    /// Whether cookies are kept.
    pub(super) cookies: bool,
    /// Headers that are not kept beside those that never are.
    pub(super) except: Arc<[HeaderName]>,
    pub(super) fingerprint: Option<Arc<Chosen>>,
    pub(super) max_request: usize,
    pub(super) max_response: usize,
}

impl<St> fmt::Debug for Options<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("ttl", &self.ttl)
            .field("cookies", &self.cookies)
            .field("except", &self.except)
            .field("max_request", &self.max_request)
            .field("max_response", &self.max_response)
            .finish_non_exhaustive()
    }
}

/// A request on its way.
pub(super) struct Run<S, St, ReqBody> {
    pub(super) service: S,
    pub(super) request: Request<ReqBody>,
    /// `None` without a quorum, where the layer fails open: what is kept is read and written all the same.
    pub(super) lock: Option<HeldLock>,
    /// The name of the record.
    pub(super) record: String,
    pub(super) options: Arc<Options<St>>,
    pub(super) policy: Arc<Shared>,
}

pub(super) async fn run<S, St, ReqBody, ResBody>(
    run: Run<S, St, ReqBody>,
) -> Result<Response<ReplayBody<ResBody>>, S::Error>
where
    S: Service<Request<RequestBody<ReqBody>>, Response = Response<ResBody>>,
    St: ReplayStore,
    ReqBody: Body<Error: Into<BoxError>>,
    ResBody: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let (mut service, policy) = (run.service, run.policy);
    let asker = policy.0.asker(&run.request);
    let reject = |reason| {
        let rejected = policy.0.reject(Rejection::new(reason), &asker);
        Ok(rejected.map(ReplayBody::rejection))
    };

    let (parts, body) = run.request.into_parts();
    let body = match Limited::new(body, run.options.max_request).collect().await {
        Ok(body) => body,
        Err(error) if is_limit(&*error) => return reject(Reason::BodyTooLarge),
        Err(_) => return reject(Reason::BodyUnreadable),
    };
    let (body, bytes) = RequestBody::read(body);
    let fingerprint = match &run.options.fingerprint {
        Some(of) => chosen(&**of, &parts, &bytes),
        None => fingerprint(&parts, &bytes),
    };
    let keeper = Keeper {
        key: run.record,
        fingerprint,
        lock: run.lock.clone(),
        options: run.options,
    };

    let keeper = match keeper.begin().await {
        Ok(Begun::Fresh) => Some(keeper),
        // somebody had the lock before the outage, and may be at work: without a lock there is no way to know
        Ok(Begun::Stale) if keeper.lock.is_none() => {
            events::replay::runs_unlocked();
            None
        }
        Ok(Begun::Stale) => return reject(Reason::Lost),
        Ok(Begun::Recorded(record)) => match record::decode(record) {
            Some((first, _)) if first != fingerprint => return reject(Reason::KeyReused),
            Some((_, Answer::Whole(whole))) => return Ok(replay(whole)),
            // none is a record of another version: the request was served, and must not be again
            Some((_, Answer::NotKept)) | None => return reject(Reason::NotReplayable),
        },
        Err(error) if policy.0.lock.fail_open => {
            let so = "a request runs without its first answer being kept";
            events::replay::store_failed(so, &error);
            None
        }
        Err(error) => {
            events::replay::store_failed("a request is rejected", &error);
            return reject(Reason::StoreUnavailable);
        }
    };

    // The request's body or the store may have taken longer than the lock lasted.
    if run.lock.as_ref().is_some_and(HeldLock::is_lost) {
        return reject(Reason::Lost);
    }
    let request = Request::from_parts(parts, body);
    let Some(keeper) = keeper else {
        return Ok(service.call(request).await?.map(ReplayBody::plain));
    };
    let (head, body) = keeper.noted(service.call(request)).await?.into_parts();
    // a connection that was taken over is no answer
    let asked_for = head.extensions.get::<Keep>().is_some() || !policy.0.is_failure(&head);
    if asked_for && !head.status.is_informational() {
        let until_body_end = policy.0.hold_until == HoldUntil::BodyEnd;
        Ok(keeper.keep(head, body, until_body_end).await)
    } else {
        Ok(Response::from_parts(head, ReplayBody::plain(body)))
    }
}

/// Whether a body is larger than this layer or one further out reads.
fn is_limit(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn replay<B>(whole: Whole) -> Response<ReplayBody<B>> {
    let tail = match whole.trailers {
        Some(trailers) => Tail::Trailers(Some(trailers)),
        None => Tail::Nothing,
    };
    let mut head: response::Parts = Response::new(()).into_parts().0;
    head.status = whole.status;
    head.headers = whole.headers;
    head.headers
        .insert(REPLAYED, HeaderValue::from_static("true"));
    head.extensions.insert(Recorded);
    Response::from_parts(head, ReplayBody::new(whole.body, tail))
}
