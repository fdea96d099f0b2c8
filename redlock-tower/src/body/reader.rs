//! How an extractor gets the body that the layer holds.
//!
//! The layer owns the body, because the handler gets it afterwards. It reads the body only once an extractor polls a
//! [`ReadBody`], so that a request whose key is in its head is never read ahead. The two sides share a [`Reader`]: the
//! extractor leaves its waker there, and the layer the result.

use super::BodyError;
use bytes::Bytes;
use http::Extensions;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// An extension of the request while its key is extracted.
#[derive(Clone, Default)]
pub(crate) struct Reader(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// `None` until the body was read.
    body: Option<Result<Bytes, BodyError>>,
    /// One for each [`ReadBody`] that was polled.
    extractors: Vec<Waker>,
    /// Of the request's task, while nobody has asked for the body.
    layer: Option<Waker>,
}

impl Reader {
    /// For a body that is in memory already.
    pub(crate) fn of(body: Bytes) -> Self {
        let reader = Self::default();
        reader.state().body = Some(Ok(body));
        reader
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready once an extractor has asked for the body.
    pub(super) fn poll_wanted(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.extractors.is_empty() {
            state.layer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Passes the body to all extractors that wait for it.
    pub(super) fn deliver(&self, body: Result<Bytes, BodyError>) {
        let mut state = self.state();
        state.body = Some(body);
        let extractors = std::mem::take(&mut state.extractors);
        drop(state);
        extractors.into_iter().for_each(Waker::wake);
    }
}

/// The future of [`read_body`](crate::key::read_body).
pub struct ReadBody {
    /// `None` if the extractor does not read bodies.
    reader: Option<Reader>,
    /// The place of this future's waker.
    slot: Option<usize>,
}

impl ReadBody {
    pub(crate) fn new(extensions: &Extensions) -> Self {
        Self {
            reader: extensions.get().cloned(),
            slot: None,
        }
    }

    pub(crate) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, BodyError>> {
        let Some(reader) = &self.reader else {
            return Poll::Ready(Err(BodyError::NotOffered));
        };
        let mut state = reader.state();
        if let Some(body) = &state.body {
            return Poll::Ready(body.clone());
        }
        match self.slot {
            Some(slot) => state.extractors[slot].clone_from(cx.waker()),
            None => {
                self.slot = Some(state.extractors.len());
                state.extractors.push(cx.waker().clone());
            }
        }
        let layer = state.layer.take();
        drop(state);
        if let Some(layer) = layer {
            layer.wake();
        }
        Poll::Pending
    }
}

impl fmt::Debug for ReadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBody").finish_non_exhaustive()
    }
}
