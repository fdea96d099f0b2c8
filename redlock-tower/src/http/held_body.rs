//! A body that holds the lock until it ends.

use super::{BoxError, LockLost, inside::sealed::Shared};
use crate::{
    lock::{Close, Ending, Lease, OnLost},
    reject::status_failed,
};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use redlock::{Lost, Scope};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Stands for the body, whose name warnings have: it runs as long as this lives.
struct StreamedBody;

impl Future for StreamedBody {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

type Polled = Option<Result<Frame<Bytes>, BoxError>>;

/// Dropped before its end, it releases the lock in the background, and the request counts as a failure. The body goes
/// before the lock.
#[pin_project]
pub(super) struct HeldBody<B> {
    /// None once it was cut off.
    #[pin]
    body: Option<B>,
    /// The body runs under the lock: a lock that is lost is released behind it.
    running: Option<Box<Scope<StreamedBody>>>,
    lease: Option<Lease>,
    lost: Option<Lost>,
    /// The end of the lock, and the last frame, which waits for it: the client must not see the end before.
    closing: Option<(Close, Polled)>,
    policy: Arc<Shared>,
    failed: bool,
    /// Ended with an error of ours; what the body still has is not to be taken for the rest.
    cut_off: bool,
    end: BodyEnd,
}

/// How the end of a body is recognized.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyEnd {
    /// How many bytes are still to come, where the head says it.
    pub(super) length: Option<u64>,
    /// Whether the trailers tell success or failure.
    pub(super) untold: bool,
}

impl<B> HeldBody<B> {
    pub(super) fn new(
        body: B,
        lease: Lease,
        policy: Arc<Shared>,
        failed: bool,
        end: BodyEnd,
    ) -> Self {
        let lost = match policy.0.lock.on_lost {
            OnLost::Cancel => Some(lease.held().lost()),
            OnLost::Signal => None,
        };
        Self {
            body: Some(body),
            running: Some(Box::new(lease.held().scope(StreamedBody))),
            lease: Some(lease),
            lost,
            closing: None,
            policy,
            failed,
            cut_off: false,
            end,
        }
    }
}

impl<B> HeldBody<B> {
    /// Whether it is held only until its trailers tell success or failure.
    pub(super) fn waits_for_trailers(&self) -> bool {
        self.end.untold && self.lease.is_some()
    }
}

impl<B> Body for HeldBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Polled> {
        let mut this = self.project();
        if *this.cut_off && this.closing.is_none() {
            return Poll::Ready(None);
        }
        loop {
            if let Some((close, _)) = this.closing {
                ready!(Pin::new(close).poll(cx));
                return Poll::Ready(this.closing.take().and_then(|(_, last)| last));
            }
            if let Some(lost) = this.lost
                && Pin::new(lost).poll(cx).is_ready()
            {
                *this.lost = None;
                if let Some(lease) = this.lease.take()
                    && !lease.is_taken()
                {
                    this.body.set(None);
                    *this.running = None;
                    *this.cut_off = true;
                    let cut: Polled = Some(Err(LockLost.into()));
                    let Some(close) = Close::new(lease, Ending::Release) else {
                        return Poll::Ready(cut);
                    };
                    *this.closing = Some((close, cut));
                    continue;
                }
            }
            let Some(mut body) = this.body.as_mut().as_pin_mut() else {
                return Poll::Ready(None);
            };
            let polled =
                ready!(body.as_mut().poll_frame(cx)).map(|frame| frame.map_err(Into::into));
            this.end.count(&polled);
            if !this.end.is_reached(&polled, &*body) {
                return Poll::Ready(polled);
            }
            let Some(lease) = this.lease.take() else {
                return Poll::Ready(polled);
            };
            *this.lost = None;
            *this.running = None;
            let failed = *this.failed
                || matches!(polled, Some(Err(_)))
                || (this.end.untold && told_failure(&polled));
            let ending = this.policy.0.ending(&lease, failed);
            match Close::new(lease, ending) {
                Some(close) => *this.closing = Some((close, polled)),
                None => return Poll::Ready(polled),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        (self.cut_off && self.closing.is_none())
            || (self.closing.is_none()
                && self.lease.is_none()
                && self.body.as_ref().is_none_or(B::is_end_stream))
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.as_ref().map(B::size_hint).unwrap_or_default();
        if let Some((_, Some(Ok(frame)))) = &self.closing {
            let waiting = frame.data_ref().map_or(0, |data| data.len() as u64);
            if let Some(upper) = hint.upper() {
                hint.set_upper(upper.saturating_add(waiting));
            }
            hint.set_lower(hint.lower().saturating_add(waiting));
        }
        hint
    }
}

impl BodyEnd {
    fn count(&mut self, polled: &Polled) {
        if let (Some(length), Some(Ok(frame))) = (&mut self.length, polled) {
            let len = frame.data_ref().map_or(0, Bytes::len);
            *length = length.saturating_sub(len as u64);
        }
    }

    /// Whether this is the last that a client waits for. A server stops asking once the announced length is reached.
    fn is_reached<B: Body>(&self, polled: &Polled, body: &B) -> bool {
        match polled {
            None | Some(Err(_)) => true,
            Some(Ok(frame)) => {
                frame.is_trailers()
                    || body.is_end_stream()
                    || (!self.untold
                        && (self.length == Some(0) || body.size_hint().exact() == Some(0)))
            }
        }
    }
}

fn told_failure(last: &Polled) -> bool {
    match last {
        Some(Ok(frame)) => frame.trailers_ref().and_then(status_failed).unwrap_or(true),
        _ => true,
    }
}
