//! The response body: the inner service's, the start of which may have been read ahead, or a recorded one.

use crate::http::{BoxError, ResponseBody};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// The body of [`ReplayService`](crate::replay::ReplayService)'s responses.
#[pin_project]
pub struct ReplayBody<B> {
    /// The bytes that were read ahead.
    start: Option<Bytes>,
    #[pin]
    tail: Tail<B>,
}

/// What follows the bytes that were read ahead.
#[pin_project(project = TailProj)]
pub(in crate::replay) enum Tail<B> {
    Empty,
    Trailers(Option<HeaderMap>),
    Failed(Option<BoxError>),
    Rest(#[pin] B),
    Boxed(Pin<Box<B>>),
    Rejection(#[pin] ResponseBody<B>),
}

impl<B> ReplayBody<B> {
    pub(in crate::replay) fn new(start: Bytes, tail: Tail<B>) -> Self {
        Self {
            start: Some(start).filter(|start| !start.is_empty()),
            tail,
        }
    }

    pub(in crate::replay) fn unread(body: B) -> Self {
        Self {
            start: None,
            tail: Tail::Rest(body),
        }
    }

    pub(in crate::replay) fn rejection(body: ResponseBody<B>) -> Self {
        Self {
            start: None,
            tail: Tail::Rejection(body),
        }
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        if let Some(start) = this.start.take() {
            return Poll::Ready(Some(Ok(Frame::data(start))));
        }
        match this.tail.project() {
            TailProj::Empty => Poll::Ready(None),
            TailProj::Trailers(trailers) => Poll::Ready(
                trailers
                    .take()
                    .map(|trailers| Ok(Frame::trailers(trailers))),
            ),
            TailProj::Failed(error) => Poll::Ready(error.take().map(Err)),
            TailProj::Rest(body) => body.poll_frame(cx).map_err(Into::into),
            TailProj::Boxed(body) => body.as_mut().poll_frame(cx).map_err(Into::into),
            TailProj::Rejection(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.start.is_none()
            && match &self.tail {
                Tail::Empty => true,
                Tail::Trailers(trailers) => trailers.is_none(),
                Tail::Failed(error) => error.is_none(),
                Tail::Rest(body) => body.is_end_stream(),
                Tail::Boxed(body) => body.is_end_stream(),
                Tail::Rejection(body) => body.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = match &self.tail {
            Tail::Empty | Tail::Trailers(_) => SizeHint::with_exact(0),
            Tail::Failed(_) => SizeHint::default(),
            Tail::Rest(body) => body.size_hint(),
            Tail::Boxed(body) => body.size_hint(),
            Tail::Rejection(body) => body.size_hint(),
        };
        let start = self.start.as_ref().map_or(0, |start| start.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(start));
        }
        hint.set_lower(hint.lower().saturating_add(start));
        hint
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody").finish_non_exhaustive()
    }
}
