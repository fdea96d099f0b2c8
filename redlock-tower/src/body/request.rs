//! The request body for the handler: unread, or read ahead for a key or for a comparison with earlier requests.

use super::BoxError;
use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// The request body that the inner service receives, if the layer may have read it ahead: for a key [in the
/// body](crate::key::WithBody), or for a replay.
///
/// It has the bytes and the trailers of the client's body, and ends with the same error.
#[pin_project]
pub struct RequestBody<B>(#[pin] Kind<B>);

#[pin_project(project = KindProj)]
enum Kind<B> {
    Unread(#[pin] B),
    Ahead(Ahead<B>),
}

/// What was read, and what follows it.
pub(super) struct Ahead<B> {
    data: Bytes,
    then: Then<B>,
}

pub(super) enum Then<B> {
    End,
    Trailers(HeaderMap),
    Error(BoxError),
    /// Boxed, because it has been polled and must not move.
    Rest(Pin<Box<B>>),
}

impl<B> Ahead<B> {
    pub(super) fn new(data: Bytes, then: Then<B>) -> Self {
        Self { data, then }
    }
}

impl<B> RequestBody<B> {
    pub(crate) fn unread(body: B) -> Self {
        Self(Kind::Unread(body))
    }

    /// A body that was read to its end.
    #[cfg(feature = "replay")]
    pub(crate) fn read(data: Bytes, trailers: Option<HeaderMap>) -> Self {
        let then = trailers.map_or(Then::End, Then::Trailers);
        Self::ahead(Ahead::new(data, then))
    }

    pub(super) fn ahead(ahead: Ahead<B>) -> Self {
        Self(Kind::Ahead(ahead))
    }
}

type PolledFrame = Option<Result<Frame<Bytes>, BoxError>>;

impl<B: Body<Error: Into<BoxError>>> Ahead<B> {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<PolledFrame> {
        if !self.data.is_empty() {
            let data = std::mem::take(&mut self.data);
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Then::Rest(body) = &mut self.then {
            return poll_bytes(body.as_mut(), cx);
        }
        Poll::Ready(match std::mem::replace(&mut self.then, Then::End) {
            Then::End | Then::Rest(_) => None,
            Then::Trailers(trailers) => Some(Ok(Frame::trailers(trailers))),
            Then::Error(error) => Some(Err(error)),
        })
    }

    fn size_hint(&self) -> SizeHint {
        let read = self.data.len() as u64;
        let mut hint = match &self.then {
            Then::End | Then::Trailers(_) => SizeHint::with_exact(0),
            Then::Error(_) => SizeHint::default(),
            Then::Rest(body) => body.size_hint(),
        };
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint.set_lower(hint.lower().saturating_add(read));
        hint
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty()
            && match &self.then {
                Then::End => true,
                Then::Trailers(_) | Then::Error(_) => false,
                Then::Rest(body) => body.is_end_stream(),
            }
    }
}

fn poll_bytes<B: Body<Error: Into<BoxError>>>(
    body: Pin<&mut B>,
    cx: &mut Context<'_>,
) -> Poll<PolledFrame> {
    body.poll_frame(cx).map(|frame| {
        let frame = frame?.map_err(Into::into);
        Some(frame.map(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))))
    })
}

impl<B: Body<Error: Into<BoxError>>> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<PolledFrame> {
        match self.project().0.project() {
            KindProj::Unread(body) => poll_bytes(body, cx),
            KindProj::Ahead(ahead) => ahead.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Unread(body) => body.is_end_stream(),
            Kind::Ahead(ahead) => ahead.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Unread(body) => body.size_hint(),
            Kind::Ahead(ahead) => ahead.size_hint(),
        }
    }
}

impl<B> fmt::Debug for RequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}
