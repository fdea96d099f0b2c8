//! A response body that holds the lock until it has ended.

use super::{BoxError, policy::Policy};
use crate::{
    reject::status_failed,
    runner::{EndHold, Ending, Lease, OnLost},
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

/// A future that never completes. In a [`Scope`], it makes the lock count as running work, and its type name appears in
/// warnings about work that outlives the lock.
struct StreamedBody;

impl Future for StreamedBody {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

type PolledFrame = Option<Result<Frame<Bytes>, BoxError>>;

/// If it is dropped before its end, it releases the lock in the background, and the request counts as a failure.
#[pin_project]
pub(super) struct HeldBody<B> {
    // The order of the fields matters: the body is dropped before the lock is released.
    /// `None` after it was cut off.
    #[pin]
    body: Option<B>,
    /// Delays the release of a lost lock until the body is gone.
    running: Option<Box<Scope<StreamedBody>>>,
    lease: Option<Lease>,
    lost: Option<Lost>,
    /// The end of the hold, and the last frame, which is returned after it: a client that has read the whole response
    /// must find the key free.
    ending: Option<(EndHold, PolledFrame)>,
    policy: Arc<Policy>,
    no_cool_down: bool,
    /// The body ends with [`LockLost`]. Its remaining frames are not returned.
    cut_off: bool,
    end: BodyEnd,
}

/// How the end of a body is recognized.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyEnd {
    /// The bytes that are still to come, if the head announces a length.
    pub(super) length: Option<u64>,
    /// Whether the trailers hold the status of a gRPC call.
    pub(super) status_in_trailers: bool,
}

impl<B> HeldBody<B> {
    pub(super) fn new(
        body: B,
        lease: Lease,
        policy: Arc<Policy>,
        no_cool_down: bool,
        end: BodyEnd,
    ) -> Self {
        let lost = match policy.lock.on_lost {
            OnLost::Cancel => Some(lease.held().lost()),
            OnLost::Signal => None,
        };
        Self {
            body: Some(body),
            running: Some(Box::new(lease.held().scope(StreamedBody))),
            lease: Some(lease),
            lost,
            ending: None,
            policy,
            no_cool_down,
            cut_off: false,
            end,
        }
    }

    /// Whether the lock is held until the trailers tell whether the call succeeded.
    pub(super) fn waits_for_trailers(&self) -> bool {
        self.end.status_in_trailers && self.lease.is_some()
    }

    /// Drops the body if the lock is lost. The error follows when the hold has ended.
    fn poll_lost(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<PolledFrame> {
        let mut this = self.project();
        let lost = this.lost.as_mut()?;
        if Pin::new(lost).poll(cx).is_pending() {
            return None;
        }
        *this.lost = None;
        let lease = this.lease.take().filter(|lease| !lease.is_taken())?;
        this.body.set(None);
        *this.running = None;
        *this.cut_off = true;
        let error: PolledFrame = Some(Err(LockLost.into()));
        match EndHold::new(lease, Ending::Release) {
            Some(end) => {
                *this.ending = Some((end, error));
                None
            }
            None => Some(error),
        }
    }

    /// Starts the end of the hold behind the last frame. Returns the frame if there is nothing to wait for.
    fn end_hold(self: Pin<&mut Self>, last: PolledFrame) -> Option<PolledFrame> {
        let this = self.project();
        let Some(lease) = this.lease.take() else {
            return Some(last);
        };
        *this.lost = None;
        *this.running = None;
        let failed = *this.no_cool_down
            || matches!(last, Some(Err(_)))
            || (this.end.status_in_trailers && trailers_failed(&last));
        match this.policy.lock.end(lease, !failed) {
            Some(end) => {
                *this.ending = Some((end, last));
                None
            }
            None => Some(last),
        }
    }
}

impl<B> Body for HeldBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<PolledFrame> {
        if self.cut_off && self.ending.is_none() {
            return Poll::Ready(None);
        }
        loop {
            if let Some((end, _)) = self.as_mut().project().ending {
                ready!(Pin::new(end).poll(cx));
                let ending = self.as_mut().project().ending.take();
                return Poll::Ready(ending.and_then(|(_, last)| last));
            }
            if let Some(error) = self.as_mut().poll_lost(cx) {
                return Poll::Ready(error);
            }
            if self.ending.is_some() {
                continue;
            }
            let this = self.as_mut().project();
            let Some(mut body) = this.body.as_pin_mut() else {
                return Poll::Ready(None);
            };
            let frame = ready!(body.as_mut().poll_frame(cx)).map(|frame| frame.map_err(Into::into));
            this.end.count(&frame);
            if !this.end.is_reached(&frame, &*body) {
                return Poll::Ready(frame);
            }
            if let Some(frame) = self.as_mut().end_hold(frame) {
                return Poll::Ready(frame);
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        (self.cut_off && self.ending.is_none())
            || (self.ending.is_none()
                && self.lease.is_none()
                && self.body.as_ref().is_none_or(B::is_end_stream))
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.as_ref().map(B::size_hint).unwrap_or_default();
        if let Some((_, Some(Ok(frame)))) = &self.ending {
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
    fn count(&mut self, frame: &PolledFrame) {
        if let (Some(length), Some(Ok(frame))) = (&mut self.length, frame) {
            let len = frame.data_ref().map_or(0, Bytes::len);
            *length = length.saturating_sub(len as u64);
        }
    }

    /// Whether the client waits for no further frame. A server stops polling once the announced length is reached.
    fn is_reached<B: Body>(&self, frame: &PolledFrame, body: &B) -> bool {
        match frame {
            None | Some(Err(_)) => true,
            Some(Ok(frame)) => {
                frame.is_trailers()
                    || body.is_end_stream()
                    || (!self.status_in_trailers
                        && (self.length == Some(0) || body.size_hint().exact() == Some(0)))
            }
        }
    }
}

/// A call without a status in its trailers has failed.
fn trailers_failed(last: &PolledFrame) -> bool {
    match last {
        Some(Ok(frame)) => frame.trailers_ref().and_then(status_failed).unwrap_or(true),
        _ => true,
    }
}

/// The error of a response body whose lock was lost before the body had ended.
#[derive(Clone, Copy, Debug)]
pub struct LockLost;

impl std::fmt::Display for LockLost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the lock was lost before the response body ended")
    }
}

impl std::error::Error for LockLost {}
