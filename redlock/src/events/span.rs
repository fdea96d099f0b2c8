//! Spans of a lock: its acquire, its hold and its release. Each is a child of the span that the caller is in, so they are part
//! of its trace.
//!
//! They cost nothing without a subscriber: a disabled span has no fields and no allocation.

use tracing::{Instrument, Span, field::Empty, instrument::Instrumented};

use super::metrics;
use crate::error::{Error, Result};

const TARGET: &str = "redlock::span";

/// An acquire: from the request until it is granted or refused.
pub(crate) struct AcquireSpan(Span);

impl AcquireSpan {
    pub(crate) fn begin() -> Self {
        Self(tracing::info_span!(
            target: TARGET, "lock.acquire", outcome = Empty, rounds = Empty
        ))
    }

    /// Runs the acquire in the span.
    pub(crate) fn around<F: Future>(&self, acquire: F) -> Instrumented<F> {
        acquire.instrument(self.0.clone())
    }

    pub(crate) fn granted(&self, rounds: u32) {
        self.0.record("outcome", "granted").record("rounds", rounds);
    }

    pub(crate) fn refused(&self, error: &Error) {
        self.0.record("outcome", metrics::outcome(error.kind()));
        if !error.node_errors().is_empty() {
            self.0.in_scope(|| causes(error));
        }
    }
}

fn causes(error: &Error) {
    for cause in error.node_errors() {
        let (node, kind, cause) = (cause.node(), cause.kind(), cause.without_key());
        tracing::debug!(target: TARGET, node, ?kind, cause, "node did not vote");
    }
}

/// The hold of a guard: from the grant until the guard has ended it. `None` without a subscriber.
pub(crate) struct HoldSpan(Option<Box<Span>>);

impl HoldSpan {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn begin() -> Self {
        let span = tracing::info_span!(target: TARGET, "lock.hold", outcome = Empty);
        Self((!span.is_disabled()).then(|| Box::new(span)))
    }

    /// Closes the span. Later calls have no effect.
    pub(crate) fn end(&mut self, outcome: impl FnOnce() -> &'static str) {
        if let Some(span) = self.0.take() {
            span.record("outcome", outcome());
        }
    }
}

/// Runs a release in a span of its own, until a majority has confirmed it.
pub(crate) async fn release(release: impl Future<Output = Result<()>>) -> Result<()> {
    let span = tracing::info_span!(target: TARGET, "lock.release", outcome = Empty);
    let released = release.instrument(span.clone()).await;
    let outcome = match &released {
        Ok(()) => "released",
        Err(error) if error.is_superseded() => "superseded",
        Err(error) if error.is_lost() => "lost",
        Err(_) => "unconfirmed",
    };
    span.record("outcome", outcome);
    released
}
