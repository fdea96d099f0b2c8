//! Writes to the store for one request: the in-progress marker while the handler runs, then the record.

use super::{
    Begun, ReplayBody, ReplayOptions, ReplayStore, StoreError,
    body::Tail,
    record::{self, Recording, Whole},
    response::{READ_TIMEOUT, has_a_record, read_ahead, recorded_headers},
};
use crate::{
    HeldLock, InFlight,
    body::{BoxError, Fingerprint},
    events::replay as events,
    http::Recorded,
    reject::status_failed,
};
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{HeaderMap, Response, response};
use http_body::Body;
use redlock::{__private::NO_TOKEN, FencingToken, Lost};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// Minimum lifetime of an in-progress marker. It is renewed at half of its lifetime.
const MIN_MARKER_TTL: Duration = Duration::from_secs(30);

/// How long a write that fails is retried before the response is sent.
const RETRY_BEFORE_RESPONSE: Duration = READ_TIMEOUT;
/// How long it is retried in the background after that.
const RETRY_AFTER_RESPONSE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Minimum time between two renewals of a record.
const MIN_RENEWAL: Duration = Duration::from_millis(10);

#[derive(Clone)]
pub(super) struct Recorder<St> {
    pub(super) name: String,
    pub(super) fingerprint: Fingerprint,
    /// `None` if the request runs without its lock.
    pub(super) lock: Option<HeldLock>,
    pub(super) options: Arc<ReplayOptions<St>>,
    pub(super) in_flight: Option<InFlight>,
    pub(super) arrived: Instant,
}

impl<St: ReplayStore> Recorder<St> {
    /// Looks for a record, and leaves an in-progress marker if there is none.
    pub(super) async fn begin(&self) -> Result<Begun, StoreError> {
        let (store, token, ttl) = (&self.options.store, self.token(), self.marker_ttl());
        match self.options.share {
            None => store.begin(&self.name, token, ttl).await,
            Some(wait) => {
                let min_left = wait.saturating_sub(self.arrived.elapsed());
                store.begin_recent(&self.name, token, ttl, min_left).await
            }
        }
    }

    /// Without a lock it is the lowest token, so that every later holder of the lock takes over.
    fn token(&self) -> FencingToken {
        self.lock.as_ref().map_or(NO_TOKEN, HeldLock::token)
    }

    fn marker_ttl(&self) -> Duration {
        self.options.ttl.max(MIN_MARKER_TTL)
    }

    /// Runs the handler, and renews the in-progress marker meanwhile.
    pub(super) async fn keep_in_progress<F: Future>(&self, handler: F) -> F::Output {
        let mut handler = pin!(handler);
        loop {
            let renewal = pin!(async {
                sleep(self.marker_ttl() / 2).await;
                self.begin().await
            });
            match select(handler.as_mut(), renewal).await {
                Either::Left((output, _)) => return output,
                Either::Right((Ok(_), _)) => {}
                Either::Right((Err(error), _)) => {
                    let effect = "the in-progress marker of a request is not renewed";
                    events::store_failed(effect, error.reason(), &error);
                }
            }
        }
    }

    /// Reads the body ahead, and records the response before the client receives the head.
    pub(super) async fn record<B>(
        self,
        mut head: response::Parts,
        body: B,
        until_body_end: bool,
    ) -> Response<ReplayBody<B>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let (start, tail) = if !has_a_record(&head.headers, &self.options) {
            (Bytes::new(), Tail::Rest(body))
        } else {
            read_ahead(body, self.options.max_response).await
        };
        let recording = match &tail {
            // Half a response is a failure, and so is a gRPC status other than OK in the trailers.
            Tail::Failed(_) => return Response::from_parts(head, ReplayBody::new(start, tail)),
            Tail::Trailers(Some(trailers)) if status_failed(trailers) == Some(true) => {
                return Response::from_parts(head, ReplayBody::new(start, tail));
            }
            Tail::Empty => self.whole(&head, &start, None),
            Tail::Trailers(trailers) => self.whole(&head, &start, trailers.clone()),
            _ => Recording::NotRecorded,
        };
        let record = self.encode(&recording);
        if self.write(&record).await {
            head.extensions.insert(Recorded);
            // The lock outlives this request if the handler took the guard, or if the body holds it.
            if let Some(lock) = &self.lock
                && (lock.is_taken() || until_body_end)
            {
                let lost = lock.lost();
                tokio::spawn(self.renew_record(record, lost));
            }
        }
        Response::from_parts(head, ReplayBody::new(start, tail))
    }

    fn whole(
        &self,
        head: &response::Parts,
        body: &Bytes,
        trailers: Option<HeaderMap>,
    ) -> Recording {
        Recording::Whole(Whole {
            status: head.status,
            headers: recorded_headers(&head.headers, &self.options),
            body: body.clone(),
            trailers,
        })
    }

    /// The record of a response, or one that says that the response is too large for the store.
    fn encode(&self, recording: &Recording) -> Vec<u8> {
        let record = record::encode(&self.fingerprint, recording);
        match self.options.store.max_record() {
            Some(most) if record.len() > most => {
                record::encode(&self.fingerprint, &Recording::NotRecorded)
            }
            _ => record,
        }
    }

    /// Returns whether the record is stored. The handler has run, so a failed write is retried in the background.
    async fn write(&self, record: &[u8]) -> bool {
        if let Some(stored) = self.retry(record, RETRY_BEFORE_RESPONSE).await {
            return stored;
        }
        events::recorded_late();
        let (recorder, record) = (self.clone(), record.to_vec());
        let running = self.in_flight.as_ref().map(InFlight::enter);
        tokio::spawn(async move {
            let _running = running;
            let stored = recorder.retry(&record, RETRY_AFTER_RESPONSE).await;
            if stored.is_none() {
                events::not_recorded();
            }
        });
        false
    }

    /// Writes the record, and retries for `time`. Returns `None` if the store failed all that time.
    async fn retry(&self, record: &[u8], time: Duration) -> Option<bool> {
        let deadline = Instant::now() + time;
        let mut pause = FIRST_PAUSE;
        loop {
            if self.lock.as_ref().is_some_and(HeldLock::is_lost) {
                return Some(false);
            }
            match self.finish(record.to_vec()).await {
                Ok(true) => {
                    events::recorded();
                    return Some(true);
                }
                Ok(false) => {
                    events::superseded();
                    return Some(false);
                }
                Err(error) => events::store_error(&error),
            }
            if Instant::now() + pause >= deadline {
                return None;
            }
            sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    async fn finish(&self, record: Vec<u8>) -> Result<bool, StoreError> {
        let options = &self.options;
        options
            .store
            .finish(&self.name, self.token(), record, options.ttl)
            .await
    }

    /// Renews the record until the lock has ended, so that it expires its ttl after that.
    async fn renew_record(self, record: Vec<u8>, mut lost: Lost) {
        let interval = (self.options.ttl / 2).max(MIN_RENEWAL);
        loop {
            let ended = timeout(interval, &mut lost).await.is_ok();
            match self.finish(record.clone()).await {
                Ok(true) if !ended => {}
                Ok(_) => return,
                Err(error) => {
                    let effect = "a record may expire before its lock has ended";
                    events::store_failed(effect, error.reason(), &error);
                    if ended {
                        return;
                    }
                }
            }
        }
    }
}
