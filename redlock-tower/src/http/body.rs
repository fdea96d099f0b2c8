//! The response body: the inner service's, with or without a lock, or that of a rejection.

use super::{
    BoxError,
    held_body::{BodyEnd, HeldBody},
    policy::Policy,
};
use crate::runner::Lease;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use pin_project::pin_project;
use std::{
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::timeout;

/// Maximum time to read the trailers of a response whose client has disconnected.
const TRAILERS_TIMEOUT: Duration = Duration::from_secs(1);

/// The body of [`RedlockService`](super::RedlockService)'s responses.
#[pin_project]
pub struct ResponseBody<B>(#[pin] Kind<B>);

#[pin_project(project = KindProj)]
enum Kind<B> {
    Inner(#[pin] B),
    Held(#[pin] HeldBody<B>),
    Full(#[pin] Full<Bytes>),
    Custom(#[pin] UnsyncBoxBody<Bytes, BoxError>),
}

impl<B> ResponseBody<B> {
    pub(super) fn inner(body: B) -> Self {
        Self(Kind::Inner(body))
    }

    pub(super) fn held(
        body: B,
        lease: Lease,
        policy: Arc<Policy>,
        no_cool_down: bool,
        end: BodyEnd,
    ) -> Self {
        Self(Kind::Held(HeldBody::new(
            body,
            lease,
            policy,
            no_cool_down,
            end,
        )))
    }

    /// Reads the body of a client that has disconnected, if its trailers decide whether a cool-down follows.
    pub(super) async fn read_unread(self)
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        if let Kind::Held(body) = self.0
            && body.waits_for_trailers()
        {
            let mut body = pin!(body);
            let read = async { while let Some(Ok(_)) = body.frame().await {} };
            let _ = timeout(TRAILERS_TIMEOUT, read).await;
        }
    }

    pub(super) fn full(bytes: Bytes) -> Self {
        Self(Kind::Full(Full::new(bytes)))
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
            KindProj::Inner(body) => body.poll_frame(cx).map_err(Into::into),
            KindProj::Held(body) => body.poll_frame(cx),
            KindProj::Full(body) => body.poll_frame(cx).map_err(|never| match never {}),
            KindProj::Custom(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Inner(body) => body.is_end_stream(),
            Kind::Held(body) => body.is_end_stream(),
            Kind::Full(body) => body.is_end_stream(),
            Kind::Custom(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Inner(body) => body.size_hint(),
            Kind::Held(body) => body.size_hint(),
            Kind::Full(body) => body.size_hint(),
            Kind::Custom(body) => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Inner(_) => "inner",
            Kind::Held(_) => "held",
            Kind::Full(_) | Kind::Custom(_) => "rejection",
        };
        f.debug_tuple("ResponseBody")
            .field(&format_args!("{kind}"))
            .finish()
    }
}
