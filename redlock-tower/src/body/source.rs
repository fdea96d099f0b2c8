//! The body of a request that an extractor may ask for: read ahead up to a limit, and then passed on as a whole.

use super::{
    BodyError, BoxError, Reader, RequestBody,
    request::{Ahead, Then},
};
use bytes::{Bytes, BytesMut};
use http_body::Body;
use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Public only as `Reads::Source`, which is hidden.
#[allow(unnameable_types, missing_debug_implementations)]
pub struct Source<B> {
    body: State<B>,
    reader: Reader,
    limit: usize,
}

enum State<B> {
    Unread(B),
    Reading(Data, Pin<Box<B>>),
    /// The extractors have the result.
    Delivered(Ahead<B>),
    /// While it is moved.
    Moved,
}

/// One chunk as it arrived, or all of several chunks.
enum Data {
    One(Bytes),
    Several(BytesMut),
}

impl<B> Source<B> {
    pub(super) fn new(body: B, reader: Reader, limit: usize) -> Self {
        Self {
            body: State::Unread(body),
            reader,
            limit,
        }
    }

    /// The body as the client sent it, whatever was read of it.
    pub(super) fn into_body(self) -> RequestBody<B> {
        match self.body {
            State::Unread(body) => RequestBody::unread(body),
            State::Reading(data, body) => {
                RequestBody::ahead(Ahead::new(data.freeze(), Then::Rest(body)))
            }
            State::Delivered(ahead) => RequestBody::ahead(ahead),
            State::Moved => RequestBody::ahead(Ahead::new(Bytes::new(), Then::End)),
        }
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>>> Source<B> {
    /// Ready once, when the extractors have the result.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.body, State::Unread(_)) {
            ready!(self.reader.poll_wanted(cx));
            self.begin();
        }
        loop {
            let State::Reading(data, body) = &mut self.body else {
                return Poll::Pending;
            };
            if data.len() > self.limit || body.size_hint().lower() > self.limit as u64 {
                return self.deliver(Err(BodyError::TooLarge), Then::Rest);
            }
            match ready!(body.as_mut().poll_frame(cx)) {
                None => return self.deliver(Ok(()), |_| Then::End),
                Some(Err(error)) => {
                    let error = error.into();
                    return self.deliver(Err(BodyError::of(&*error)), |_| Then::Error(error));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => data.push(chunk),
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        return self.deliver(Ok(()), |_| Then::Trailers(trailers));
                    }
                },
            }
        }
    }

    fn begin(&mut self) {
        self.body = match mem::replace(&mut self.body, State::Moved) {
            State::Unread(body) => State::Reading(Data::One(Bytes::new()), Box::pin(body)),
            begun => begun,
        };
    }

    fn deliver(
        &mut self,
        result: Result<(), BodyError>,
        then: impl FnOnce(Pin<Box<B>>) -> Then<B>,
    ) -> Poll<()> {
        if let State::Reading(data, body) = mem::replace(&mut self.body, State::Moved) {
            let data = data.freeze();
            self.reader.deliver(result.map(|()| data.clone()));
            self.body = State::Delivered(Ahead::new(data, then(body)));
        }
        Poll::Ready(())
    }
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Self::One(chunk) => chunk.len(),
            Self::Several(chunks) => chunks.len(),
        }
    }

    fn push(&mut self, chunk: Bytes) {
        match self {
            Self::One(first) if first.is_empty() => *first = chunk,
            Self::One(first) => {
                let mut chunks = BytesMut::with_capacity(2 * (first.len() + chunk.len()));
                chunks.extend_from_slice(first);
                chunks.extend_from_slice(&chunk);
                *self = Self::Several(chunks);
            }
            Self::Several(chunks) => chunks.extend_from_slice(&chunk),
        }
    }

    fn freeze(self) -> Bytes {
        match self {
            Self::One(chunk) => chunk,
            Self::Several(chunks) => chunks.freeze(),
        }
    }
}
