//! The body of a response: the service's own, the same with a lock on it, or an answer in its place.

use super::{
    BoxError,
    held_body::{BodyEnd, HeldBody},
    inside::sealed::Shared,
};
use crate::lock::Lease;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use pin_project::pin_project;
use std::{
    error::Error,
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::timeout;

/// How long the trailers of a response that nobody reads may take.
const TRAILERS: Duration = Duration::from_secs(1);

/// The body of [`RedlockService`](super::RedlockService)'s responses.
#[pin_project]
pub struct ResponseBody<B>(#[pin] Kind<B>);

#[pin_project(project = KindProj)]
enum Kind<B> {
    Plain(#[pin] B),
    Held(#[pin] HeldBody<B>),
    Whole(#[pin] Full<Bytes>),
    Custom(#[pin] UnsyncBoxBody<Bytes, BoxError>),
}

impl<B> ResponseBody<B> {
    pub(super) fn plain(body: B) -> Self {
        Self(Kind::Plain(body))
    }

    pub(super) fn held(
        body: B,
        lease: Lease,
        policy: Arc<Shared>,
        failed: bool,
        end: BodyEnd,
    ) -> Self {
        Self(Kind::Held(HeldBody::new(body, lease, policy, failed, end)))
    }

    /// Nobody reads it. Where its trailers tell whether the request succeeded, they are waited for, so that the key is kept
    /// busy after a success.
    pub(super) async fn read_unread(self)
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        if let Kind::Held(body) = self.0
            && body.waits_for_trailers()
        {
            let mut body = pin!(body);
            let read = async { while let Some(Ok(_)) = body.frame().await {} };
            let _ = timeout(TRAILERS, read).await;
        }
    }

    pub(super) fn whole(bytes: Bytes) -> Self {
        Self(Kind::Whole(Full::new(bytes)))
    }

    pub(super) fn custom(body: UnsyncBoxBody<Bytes, BoxError>) -> Self {
        Self(Kind::Custom(body))
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().0.project() {
            KindProj::Plain(body) => body.poll_frame(cx).map_err(Into::into),
            KindProj::Held(body) => body.poll_frame(cx),
            KindProj::Whole(body) => body.poll_frame(cx).map_err(|never| match never {}),
            KindProj::Custom(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Plain(body) => body.is_end_stream(),
            Kind::Held(body) => body.is_end_stream(),
            Kind::Whole(body) => body.is_end_stream(),
            Kind::Custom(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Plain(body) => body.size_hint(),
            Kind::Held(body) => body.size_hint(),
            Kind::Whole(body) => body.size_hint(),
            Kind::Custom(body) => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Plain(_) => "plain",
            Kind::Held(_) => "held",
            Kind::Whole(_) | Kind::Custom(_) => "rejection",
        };
        f.debug_tuple("ResponseBody")
            .field(&format_args!("{kind}"))
            .finish()
    }
}

/// A body ends with this error when its lock is lost before it is whole: the client must not take it for a success.
#[derive(Clone, Copy, Debug)]
pub struct LockLost;

impl fmt::Display for LockLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lock was lost before the response body ended")
    }
}

impl Error for LockLost {}
