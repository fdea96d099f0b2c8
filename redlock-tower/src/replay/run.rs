//! The way of a request with an `Idempotency-Key`, under its lock: look, run, keep.

use super::{
    Begun, ReplayBody, ReplayStore,
    body::Tail,
    record::{self, Answer, Fingerprint},
    service::Recorded,
};
use crate::{
    HeldLock,
    http::{BoxError, sealed::Shared},
    reject::{Reason, Rejection, status_failed},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, response};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::{fmt, sync::Arc, time::Duration};
use tower_service::Service;

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What the layer was told.
#[derive(Clone)]
pub(super) struct Options<St> {
    pub(super) store: St,
    pub(super) ttl: Duration,
    pub(super) headers: Arc<[HeaderName]>,
    pub(super) max_request: usize,
    pub(super) max_response: usize,
}

impl<St> fmt::Debug for Options<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("ttl", &self.ttl)
            .field("headers", &self.headers)
            .field("max_request", &self.max_request)
            .field("max_response", &self.max_response)
            .finish_non_exhaustive()
    }
}

/// A request on its way.
pub(super) struct Run<S, St, ReqBody> {
    pub(super) service: S,
    pub(super) request: Request<ReqBody>,
    pub(super) lock: HeldLock,
    /// The name of the record.
    pub(super) record: String,
    pub(super) options: Arc<Options<St>>,
    pub(super) policy: Arc<Shared>,
}

pub(super) async fn run<S, St, ReqBody, ResBody>(
    run: Run<S, St, ReqBody>,
) -> Result<Response<ReplayBody<ResBody>>, S::Error>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    St: ReplayStore,
    ReqBody: Body<Error: Into<BoxError>> + From<Bytes>,
    ResBody: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let Run {
        mut service,
        request,
        lock,
        record,
        options,
        policy,
    } = run;
    let grpc = policy.0.rejects_as_grpc(request.headers());
    let reject = |reason| {
        Ok(policy
            .0
            .reject(Rejection::new(reason), grpc)
            .map(ReplayBody::rejection))
    };

    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, options.max_request).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return reject(Reason::BodyTooLarge),
        Err(_) => return reject(Reason::BodyUnreadable),
    };
    let fingerprint = record::fingerprint(&parts, &body);
    let keeper = Keeper {
        key: record,
        fingerprint,
        lock,
        options,
    };

    let keeper = match keeper.begin().await {
        Ok(Begun::Fresh) => Some(keeper),
        Ok(Begun::Stale) => return reject(Reason::Lost),
        Ok(Begun::Recorded(record)) => match record::decode(record) {
            Some((first, _)) if first != fingerprint => return reject(Reason::KeyReused),
            Some((
                _,
                Answer::Whole {
                    status,
                    headers,
                    body,
                },
            )) => return Ok(replay(status, headers, body)),
            // none is a record of a version to come: the request was served, and must not be again
            Some((_, Answer::TooLarge)) | None => return reject(Reason::NotReplayable),
        },
        Err(error) if policy.0.lock.fail_open => {
            tracing::warn!(%error, "a request runs without its first answer being kept");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "a request is rejected");
            return reject(Reason::StoreUnavailable);
        }
    };

    let response = service
        .call(Request::from_parts(parts, ReqBody::from(body)))
        .await?;
    let (head, body) = response.into_parts();
    match keeper {
        Some(keeper) if !policy.0.is_failure(&head) && !asks_for_another_try(head.status) => {
            Ok(keeper.keep(head, body).await)
        }
        _ => Ok(Response::from_parts(head, ReplayBody::plain(body))),
    }
}

/// Statuses that say "not now": kept, they would say so for as long as the record lasts.
fn asks_for_another_try(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
    )
}

fn replay<B>(status: StatusCode, headers: HeaderMap, body: Bytes) -> Response<ReplayBody<B>> {
    let mut response = Response::new(ReplayBody::new(body, Tail::Nothing));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    response.extensions_mut().insert(Recorded);
    response
}

/// Reads a response and keeps it.
struct Keeper<St> {
    key: String,
    fingerprint: Fingerprint,
    lock: HeldLock,
    options: Arc<Options<St>>,
}

impl<St: ReplayStore> Keeper<St> {
    async fn begin(&self) -> Result<Begun, super::StoreError> {
        self.options
            .store
            .begin(&self.key, self.lock.token(), self.options.ttl)
            .await
    }

    async fn keep<B>(self, mut head: response::Parts, body: B) -> Response<ReplayBody<B>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let (start, tail) = read_ahead(body, self.options.max_response).await;
        let answer = match &tail {
            // half a response is a failure, and so are some of gRPC's statuses
            Tail::Failed(_) => return Response::from_parts(head, ReplayBody::new(start, tail)),
            Tail::Trailers(Some(trailers)) if status_failed(trailers) == Some(true) => {
                return Response::from_parts(head, ReplayBody::new(start, tail));
            }
            Tail::Nothing => Answer::Whole {
                status: head.status,
                headers: self.chosen(&head.headers),
                body: start.clone(),
            },
            _ => Answer::TooLarge,
        };
        if self.write(&answer).await {
            head.extensions.insert(Recorded);
        }
        Response::from_parts(head, ReplayBody::new(start, tail))
    }

    fn chosen(&self, headers: &HeaderMap) -> HeaderMap {
        let mut chosen = HeaderMap::new();
        for name in &*self.options.headers {
            for value in headers.get_all(name) {
                chosen.append(name.clone(), value.clone());
            }
        }
        chosen
    }

    async fn write(&self, answer: &Answer) -> bool {
        if self.lock.is_lost() {
            return false;
        }
        let record = record::encode(&self.fingerprint, answer);
        match self
            .options
            .store
            .finish(&self.key, self.lock.token(), record, self.options.ttl)
            .await
        {
            Ok(true) => true,
            Ok(false) => {
                tracing::warn!(
                    "a first answer is not kept: a later holder of the lock has been at the store"
                );
                false
            }
            Err(error) => {
                tracing::warn!(%error, "a first answer is not kept: repeated, its request runs again");
                false
            }
        }
    }
}

/// At most `most` bytes, and what follows them.
async fn read_ahead<B>(body: B, most: usize) -> (Bytes, Tail<B>)
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    if body.size_hint().lower() > most as u64 {
        return (Bytes::new(), Tail::Rest(body));
    }
    let mut body = Box::pin(body);
    let mut start = BytesMut::new();
    loop {
        let tail = match body.frame().await {
            None => Tail::Nothing,
            Some(Err(error)) => Tail::Failed(Some(error.into())),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    start.extend_from_slice(&data);
                    if start.len() <= most {
                        continue;
                    }
                    Tail::Boxed(body)
                }
                Err(frame) => Tail::Trailers(frame.into_trailers().ok()),
            },
        };
        return (start.freeze(), tail);
    }
}
