//! What is kept of an answer, and for how long.

use super::{
    Begun, ReplayBody, ReplayStore, StoreError,
    body::Tail,
    fingerprint::Fingerprint,
    record::{self, Answer, Whole},
    run::Options,
    service::Recorded,
};
use crate::{HeldLock, events::replay as events, http::BoxError, reject::status_failed};
use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use http::{HeaderMap, HeaderName, Response, header, response};
use http_body::Body;
use http_body_util::BodyExt as _;
use redlock::{__private::NO_TOKEN, FencingToken, Lost};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// A note that a handler is at work lasts at least that long, and is renewed at half of it.
const NOTE: Duration = Duration::from_secs(30);

/// How long a store that fails is tried again before the answer goes out, and in the background after that.
const TRIES: [Duration; 2] = [READ_AHEAD, NOTE];
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long the end of a body is waited for before its head goes out.
const READ_AHEAD: Duration = Duration::from_secs(1);

/// Headers of one connection and not of the answer (RFC 9110, section 7.6.1), and the time of its sending.
const NOT_KEPT: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::DATE,
];

/// Notes that a handler is at work, and keeps its answer.
#[derive(Clone)]
pub(super) struct Keeper<St> {
    pub(super) key: String,
    pub(super) fingerprint: Fingerprint,
    /// `None` where the request runs without one.
    pub(super) lock: Option<HeldLock>,
    pub(super) options: Arc<Options<St>>,
}

impl<St: ReplayStore> Keeper<St> {
    pub(super) async fn begin(&self) -> Result<Begun, StoreError> {
        let options = &self.options;
        let note = options.ttl.max(NOTE);
        options.store.begin(&self.key, self.token(), note).await
    }

    /// Without a lock the least there is: whoever has the lock next takes over.
    fn token(&self) -> FencingToken {
        self.lock.as_ref().map_or(NO_TOKEN, HeldLock::token)
    }

    /// Runs the handler, and renews its note for as long as that takes.
    pub(super) async fn noted<F: Future>(&self, handler: F) -> F::Output {
        let mut handler = pin!(handler);
        loop {
            let renewal = pin!(async {
                sleep(self.options.ttl.max(NOTE) / 2).await;
                self.begin().await
            });
            match select(handler.as_mut(), renewal).await {
                Either::Left((output, _)) => return output,
                Either::Right((Ok(_), _)) => {}
                Either::Right((Err(error), _)) => {
                    events::store_failed("the note of a running request is not renewed", &error);
                }
            }
        }
    }

    /// Reads the body ahead, and keeps the answer. The record is there before the client sees the head.
    pub(super) async fn keep<B>(
        self,
        mut head: response::Parts,
        body: B,
        until_body_end: bool,
    ) -> Response<ReplayBody<B>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let (start, tail) = if is_stream(&head.headers) {
            (Bytes::new(), Tail::Rest(body))
        } else {
            read_ahead(body, self.options.max_response).await
        };
        let answer = match &tail {
            // half a response is a failure, and so is one that gRPC's trailers tell
            Tail::Failed(_) => return Response::from_parts(head, ReplayBody::new(start, tail)),
            Tail::Trailers(Some(trailers)) if status_failed(trailers) == Some(true) => {
                return Response::from_parts(head, ReplayBody::new(start, tail));
            }
            Tail::Nothing => self.whole(&head, &start, None),
            Tail::Trailers(trailers) => self.whole(&head, &start, trailers.clone()),
            _ => Answer::NotKept,
        };
        let record = record::encode(&self.fingerprint, &answer);
        if self.write(&record).await {
            head.extensions.insert(Recorded);
            // a handler took the lock along, or the body holds it
            if let Some(lock) = &self.lock
                && (lock.is_taken() || until_body_end)
            {
                let lost = lock.lost();
                tokio::spawn(self.renew(record, lost));
            }
        }
        Response::from_parts(head, ReplayBody::new(start, tail))
    }

    fn whole(&self, head: &response::Parts, body: &Bytes, trailers: Option<HeaderMap>) -> Answer {
        Answer::Whole(Whole {
            status: head.status,
            headers: self.kept(&head.headers),
            body: body.clone(),
            trailers,
        })
    }

    /// All headers that belong to the answer.
    fn kept(&self, headers: &HeaderMap) -> HeaderMap {
        let mut kept = headers.clone();
        let listed = headers.get_all(header::CONNECTION).iter();
        let listed = listed.filter_map(|value| value.to_str().ok());
        for name in listed.flat_map(|value| value.split(',')) {
            kept.remove(name.trim());
        }
        for name in NOT_KEPT.iter().chain(&*self.options.except) {
            kept.remove(name);
        }
        if !self.options.cookies {
            kept.remove(header::SET_COOKIE);
        }
        kept
    }

    /// Whether the record is there. A handler has run: what a store cannot take at once it is offered again.
    async fn write(&self, record: &[u8]) -> bool {
        let [before, after] = TRIES;
        if let Some(kept) = self.offer(record, before).await {
            return kept;
        }
        events::kept_later();
        let (keeper, record) = (self.clone(), record.to_vec());
        tokio::spawn(async move {
            if keeper.offer(&record, after).await.is_none() {
                events::not_kept();
            }
        });
        false
    }

    /// `None` where the store failed for all of the time.
    async fn offer(&self, record: &[u8], time: Duration) -> Option<bool> {
        let until = Instant::now() + time;
        let mut pause = PAUSE;
        loop {
            if self.lock.as_ref().is_some_and(HeldLock::is_lost) {
                return Some(false);
            }
            match self.finish(record.to_vec()).await {
                Ok(true) => return Some(true),
                Ok(false) => {
                    events::not_kept_by_a_later_holder();
                    return Some(false);
                }
                Err(error) => events::store_said(&error),
            }
            if Instant::now() + pause >= until {
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
            .finish(&self.key, self.token(), record, options.ttl)
            .await
    }

    /// Lets a record live as long as the lock, and its ttl after that.
    async fn renew(self, record: Vec<u8>, mut lost: Lost) {
        let often = (self.options.ttl / 2).max(Duration::from_millis(10));
        loop {
            let ended = timeout(often, &mut lost).await.is_ok();
            match self.finish(record.clone()).await {
                Ok(true) if !ended => {}
                Ok(_) => return,
                Err(error) => {
                    events::store_failed(
                        "a first answer is not kept for as long as its lock",
                        &error,
                    );
                    if ended {
                        return;
                    }
                }
            }
        }
    }
}

/// Events are for those who listen now.
fn is_stream(headers: &HeaderMap) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.as_bytes().get(..EVENTS.len()))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(EVENTS))
}

/// At most `most` bytes within [`READ_AHEAD`], and what follows them.
async fn read_ahead<B>(body: B, most: usize) -> (Bytes, Tail<B>)
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    if body.size_hint().lower() > most as u64 {
        return (Bytes::new(), Tail::Rest(body));
    }
    let until = Instant::now() + READ_AHEAD;
    let mut body = Box::pin(body);
    let mut start = BytesMut::new();
    loop {
        let tail = match timeout_at(until, body.frame()).await {
            Err(_) => Tail::Boxed(body),
            Ok(None) => Tail::Nothing,
            Ok(Some(Err(error))) => Tail::Failed(Some(error.into())),
            Ok(Some(Ok(frame))) => match frame.into_data() {
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
