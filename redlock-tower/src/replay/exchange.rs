//! One request with an `Idempotency-Key`, under its lock: look for a record, run the handler, record the response.

use super::{
    Begun, ReplayBody, ReplayOptions, ReplayStore, RequestBody,
    record::{self, Recording, Whole},
    recorder::Recorder,
    response::{self, is_recordable},
};
use crate::{
    HeldLock,
    body::{BodyError, BoxError, Fingerprint, fingerprint},
    events,
    http::{HoldUntil, Policy, ReplayContext},
    key::{self, KeyError, push_hex},
    reject::{Reason, RejectContext, Rejection},
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, request};
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use sha2::{Digest as _, Sha256};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tower_service::Service;

pub(super) struct Exchange<St> {
    pub(super) record_name: String,
    /// `None` if the request runs without its lock.
    pub(super) lock: Option<HeldLock>,
    pub(super) options: Arc<ReplayOptions<St>>,
    pub(super) policy: Arc<Policy>,
    pub(super) arrived: Instant,
}

/// What happens to a request once the store was asked for a record.
enum Decision<St> {
    Run(Recorder<St>),
    RunUnrecorded,
    Replay(Whole),
    Reject(Reason),
    /// The store failed. With the time after which it may work, if that is known.
    NoStore(Option<Duration>),
    /// The store may have forgotten the record. With the time after which it knows, if that is known.
    Forgotten(Option<Duration>),
}

impl<St> Decision<St> {
    /// As metrics have it.
    fn outcome(&self) -> &'static str {
        match self {
            Self::Run(_) => "fresh",
            Self::RunUnrecorded => "unrecorded",
            Self::Replay(_) => "replayed",
            Self::Reject(reason) => reason.as_str(),
            Self::NoStore(_) | Self::Forgotten(_) => Reason::StoreUnavailable.as_str(),
        }
    }
}

/// The name of a request's record, or `None` if the request has no `Idempotency-Key`. What the client chose is hashed.
pub(super) fn record_name<St>(
    context: &ReplayContext,
    headers: &HeaderMap,
    options: &ReplayOptions<St>,
) -> Result<Option<String>, KeyError> {
    let mut name = context.record_prefix.clone();
    if options.share.is_some() {
        // The key of the lock has the fingerprint.
        name.push_str("share");
        return Ok(Some(name));
    }
    let Some(idempotency_key) = key::idempotency(headers, options.max_key)? else {
        return Ok(None);
    };
    push_hex(&mut name, &Sha256::digest(idempotency_key));
    Ok(Some(name))
}

impl<St: ReplayStore> Exchange<St> {
    pub(super) async fn run<S, ReqBody, ResBody>(
        self,
        mut service: S,
        request: Request<ReqBody>,
    ) -> Result<Response<ReplayBody<ResBody>>, S::Error>
    where
        S: Service<Request<RequestBody<ReqBody>>, Response = Response<ResBody>>,
        ReqBody: Body<Error: Into<BoxError>>,
        ResBody: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let context = self.policy.reject_context(&request);
        let (head, body) = request.into_parts();
        let (body, fingerprint) = match self.read(&head, body).await {
            Ok(read) => read,
            Err(reason) => return Ok(self.reject(reason, &context)),
        };
        let request = Request::from_parts(head, body);
        let decision = self.decide(fingerprint).await;
        events::replay::decided(decision.outcome());
        match decision {
            // Reading the body and asking the store may have taken longer than the lock was valid.
            Decision::Run(_) | Decision::RunUnrecorded if self.lock_is_lost() => {
                Ok(self.reject(Reason::Lost, &context))
            }
            Decision::Run(recorder) => {
                let running = service.call(request);
                let response = recorder.keep_in_progress(running).await?;
                Ok(self.record(recorder, response).await)
            }
            Decision::RunUnrecorded => {
                let response = service.call(request).await?;
                Ok(response.map(ReplayBody::unread))
            }
            Decision::Replay(whole) => Ok(response::replayed(whole, self.options.share.is_none())),
            Decision::Reject(reason) => Ok(self.reject(reason, &context)),
            Decision::NoStore(retry_after) => {
                Ok(self.reject_as(Rejection::store_unavailable(retry_after), &context))
            }
            Decision::Forgotten(retry_after) => {
                let rejection = Rejection::store_may_have_forgotten(retry_after);
                Ok(self.reject_as(rejection, &context))
            }
        }
    }

    /// Reads the request body, to compare the request with earlier ones. The name of a shared record has the fingerprint of
    /// its request already.
    async fn read<B: Body<Error: Into<BoxError>>>(
        &self,
        head: &request::Parts,
        body: B,
    ) -> Result<(RequestBody<B>, Fingerprint), Reason> {
        if self.options.share.is_some() {
            return Ok((RequestBody::unread(body), [0; 32]));
        }
        let limited = Limited::new(body, self.options.max_request);
        let body = match limited.collect().await {
            Ok(body) => body,
            Err(error) => {
                return Err(match BodyError::of(&*error) {
                    BodyError::TooLarge => Reason::BodyTooLarge,
                    _ => Reason::BodyUnreadable,
                });
            }
        };
        let trailers = body.trailers().cloned();
        let bytes = body.to_bytes();
        let fingerprint = match &self.options.fingerprint {
            Some(custom) => Sha256::digest(custom(head, &bytes)).into(),
            None => fingerprint(head, &[], &bytes),
        };
        Ok((RequestBody::read(bytes, trailers), fingerprint))
    }

    async fn decide(&self, fingerprint: Fingerprint) -> Decision<St> {
        let recorder = Recorder {
            name: self.record_name.clone(),
            fingerprint,
            lock: self.lock.clone(),
            options: Arc::clone(&self.options),
            in_flight: self.policy.in_flight.clone(),
            arrived: self.arrived,
        };
        match recorder.begin().await {
            Ok(Begun::Fresh) => Decision::Run(recorder),
            // A request that held the lock before the outage may still run. Without a lock there is no way to know.
            Ok(Begun::Stale) if self.lock.is_none() => {
                events::replay::runs_unlocked();
                Decision::RunUnrecorded
            }
            Ok(Begun::Stale) => Decision::Reject(Reason::Lost),
            Ok(Begun::Recorded(record)) => match record::decode(record) {
                Some((first, _)) if first != fingerprint => Decision::Reject(Reason::KeyReused),
                Some((_, Recording::Whole(whole))) => Decision::Replay(whole),
                // A record of another version cannot be read, but its request has run and must not run again.
                Some((_, Recording::NotRecorded)) | None if self.options.share.is_some() => {
                    Decision::Reject(Reason::Busy)
                }
                Some((_, Recording::NotRecorded)) | None => Decision::Reject(Reason::NotReplayable),
            },
            Err(error) if self.policy.lock.fail_open && error.is_forgetful_store() => {
                let effect = "a request runs, although it may have run before";
                events::replay::store_failed(effect, error.reason(), &error);
                Decision::Run(recorder)
            }
            Err(error) if self.policy.lock.fail_open => {
                events::replay::store_failed("a request runs unrecorded", error.reason(), &error);
                Decision::RunUnrecorded
            }
            Err(error) => {
                events::replay::store_failed("a request is rejected", error.reason(), &error);
                match error.is_forgetful_store() {
                    true => Decision::Forgotten(error.retry_after()),
                    false => Decision::NoStore(error.retry_after()),
                }
            }
        }
    }

    fn lock_is_lost(&self) -> bool {
        self.lock.as_ref().is_some_and(HeldLock::is_lost)
    }

    fn reject<B>(&self, reason: Reason, context: &RejectContext) -> Response<ReplayBody<B>> {
        let rejection = match reason {
            Reason::Busy => Rejection::busy(self.policy.busy),
            _ => Rejection::new(reason),
        };
        self.reject_as(rejection, context)
    }

    fn reject_as<B>(
        &self,
        rejection: Rejection,
        context: &RejectContext,
    ) -> Response<ReplayBody<B>> {
        let response = self.policy.reject(rejection, context);
        response.map(ReplayBody::rejection)
    }

    async fn record<B>(
        &self,
        recorder: Recorder<St>,
        response: Response<B>,
    ) -> Response<ReplayBody<B>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let (head, body) = response.into_parts();
        if !is_recordable(&head, &self.policy, &self.options) {
            return Response::from_parts(head, ReplayBody::unread(body));
        }
        let until_body_end = self.policy.hold_until == HoldUntil::BodyEnd;
        recorder.record(head, body, until_body_end).await
    }
}
