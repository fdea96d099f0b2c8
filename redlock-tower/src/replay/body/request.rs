//! The request body: unread, or in memory after it was read for a comparison with earlier requests.

use crate::http::BoxError;
use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Collected;
use pin_project::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// The request body that the inner service of a replay receives. The body of a request with an `Idempotency-Key` is in
/// memory.
#[pin_project]
pub struct RequestBody<B>(#[pin] Form<B>);

#[pin_project(project = FormProj)]
enum Form<B> {
    Unread(#[pin] B),
    Read(Option<Bytes>, Option<HeaderMap>),
}

impl<B> RequestBody<B> {
    pub(in crate::replay) fn unread(body: B) -> Self {
        Self(Form::Unread(body))
    }

    /// Returns the body, and its bytes.
    pub(in crate::replay) fn read<D: Buf>(body: Collected<D>) -> (Self, Bytes) {
        let trailers = body.trailers().cloned();
        let bytes = body.to_bytes();
        let data = Some(bytes.clone()).filter(|bytes| !bytes.is_empty());
        (Self(Form::Read(data, trailers)), bytes)
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().0.project() {
            FormProj::Unread(body) => {
                body.poll_frame(cx).map(|frame| {
                    let frame = frame?.map_err(Into::into);
                    Some(frame.map(|frame| {
                        frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
                    }))
                })
            }
            FormProj::Read(data, trailers) => Poll::Ready(match data.take() {
                Some(data) => Some(Ok(Frame::data(data))),
                None => trailers
                    .take()
                    .map(|trailers| Ok(Frame::trailers(trailers))),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Form::Unread(body) => body.is_end_stream(),
            Form::Read(data, trailers) => data.is_none() && trailers.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Form::Unread(body) => body.size_hint(),
            Form::Read(data, _) => {
                SizeHint::with_exact(data.as_ref().map_or(0, |data| data.len() as u64))
            }
        }
    }
}

impl<B> fmt::Debug for RequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}
