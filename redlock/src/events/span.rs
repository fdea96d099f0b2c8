//! Spans of a lock: its acquire, its hold and its release. Each is a child of the span that the caller is in, so they are part
//! of its trace.
//!
//! They cost nothing without a subscriber: a disabled span has no fields and no allocation. A subscriber that panics
//! loses what it would have shown, and affects nothing else: see [`contained`].

use std::{
    borrow::Borrow,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::{pin_project, pinned_drop};
use tracing::{Span, field::Empty, span::Entered};

use super::{contained, metrics};
use crate::error::{Error, Result};

const TARGET: &str = "redlock::span";

/// A span whose subscriber may panic.
#[derive(Debug)]
pub(crate) struct Contained(Span);

impl Contained {
    fn new(begin: impl FnOnce() -> Span) -> Self {
        let mut span = Span::none();
        contained(|| span = begin());
        Self(span)
    }

    fn record(&self, record: impl FnOnce(&Span)) {
        contained(|| record(&self.0));
    }

    fn enter(&self) -> Inside<'_> {
        let mut inside = None;
        if !self.0.is_disabled() {
            contained(|| inside = Some(self.0.enter()));
        }
        Inside(inside)
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        let span = mem::replace(&mut self.0, Span::none());
        contained(|| drop(span));
    }
}

/// In the span until it is dropped.
struct Inside<'a>(Option<Entered<'a>>);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if let Some(inside) = self.0.take() {
            contained(|| drop(inside));
        }
    }
}

/// A future whose polls and drop are in a span, as those of [`tracing::instrument::Instrumented`].
#[pin_project(PinnedDrop)]
#[derive(Debug)]
pub(crate) struct InSpan<F, S: Borrow<Contained> = Contained> {
    /// `None` while it is dropped.
    #[pin]
    future: Option<F>,
    span: S,
}

impl<F, S: Borrow<Contained>> InSpan<F, S> {
    fn new(span: S, future: F) -> Self {
        Self {
            future: Some(future),
            span,
        }
    }
}

impl<F: Future, S: Borrow<Contained>> Future for InSpan<F, S> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _inside = (*this.span).borrow().enter();
        match this.future.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        }
    }
}

#[pinned_drop]
impl<F, S: Borrow<Contained>> PinnedDrop for InSpan<F, S> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        let _inside = (*this.span).borrow().enter();
        this.future.set(None);
    }
}

/// Runs a future in the span that the caller is in.
pub fn in_current_span<F: Future>(future: F) -> impl Future<Output = F::Output> {
    InSpan::new(Contained::new(Span::current), future)
}

/// Runs a future in the span of a call of an annotated function.
pub(crate) fn of_call<F: Future>(function: &'static str, future: F) -> InSpan<F> {
    let span = || tracing::debug_span!(target: "redlock::attribute", "lock", function);
    InSpan::new(Contained::new(span), future)
}

/// An acquire: from the request until it is granted or refused.
pub(crate) struct AcquireSpan(Contained);

impl AcquireSpan {
    pub(crate) fn begin() -> Self {
        Self(Contained::new(|| {
            tracing::info_span!(
                target: TARGET, "lock.acquire", outcome = Empty, rounds = Empty
            )
        }))
    }

    /// Runs the acquire in the span.
    pub(crate) fn around<F: Future>(&self, acquire: F) -> impl Future<Output = F::Output> {
        InSpan::new(&self.0, acquire)
    }

    pub(crate) fn granted(&self, rounds: u32) {
        self.0.record(|span| {
            span.record("outcome", "granted").record("rounds", rounds);
        });
    }

    pub(crate) fn refused(&self, error: &Error) {
        self.0.record(|span| {
            span.record("outcome", metrics::outcome(error.kind()));
            if !error.node_errors().is_empty() {
                span.in_scope(|| causes(error));
            }
        });
    }
}

fn causes(error: &Error) {
    for cause in error.node_errors() {
        let (node, kind, cause) = (cause.node(), cause.kind(), cause.without_key());
        tracing::debug!(target: TARGET, node, ?kind, cause, "node did not vote");
    }
}

/// The hold of a guard: from the grant until the guard has ended it. `None` without a subscriber.
pub(crate) struct HoldSpan(Option<Box<Contained>>);

impl HoldSpan {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn begin() -> Self {
        let span =
            Contained::new(|| tracing::info_span!(target: TARGET, "lock.hold", outcome = Empty));
        Self((!span.0.is_disabled()).then(|| Box::new(span)))
    }

    /// Closes the span. Later calls have no effect.
    pub(crate) fn end(&mut self, outcome: impl FnOnce() -> &'static str) {
        if let Some(span) = self.0.take() {
            span.record(|span| {
                span.record("outcome", outcome());
            });
        }
    }
}

/// A release: until a majority has confirmed it.
pub(crate) struct ReleaseSpan(Contained);

impl ReleaseSpan {
    pub(crate) fn begin() -> Self {
        Self(Contained::new(
            || tracing::info_span!(target: TARGET, "lock.release", outcome = Empty),
        ))
    }

    /// Runs the release in the span. Not an async function, which would keep the future of the release twice.
    pub(crate) fn around<F: Future>(&self, release: F) -> impl Future<Output = F::Output> {
        InSpan::new(&self.0, release)
    }

    pub(crate) fn ended(&self, released: &Result<()>) {
        let outcome = match released {
            Ok(()) => "released",
            Err(error) if error.is_superseded() => "superseded",
            Err(error) if error.is_lost() => "lost",
            Err(_) => "unconfirmed",
        };
        self.0.record(|span| {
            span.record("outcome", outcome);
        });
    }
}
