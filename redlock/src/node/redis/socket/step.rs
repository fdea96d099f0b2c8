//! One step of connecting, and the fault of one that fails.

use std::{io, time::Duration};

use tokio::time::timeout;

use crate::fault::{Fault, FaultKind};

/// One step of connecting. Each step has `limit`, since each takes a round trip.
pub(super) async fn step<T>(
    limit: Duration,
    late: impl FnOnce() -> String,
    step: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    match timeout(limit, step).await {
        Ok(done) => done,
        Err(_) => Err(Fault::untouched(FaultKind::TimedOut, late())),
    }
}

/// What to do about a step that took too long.
pub(super) fn raise(limit: Duration) -> String {
    format!(
        "within {} ms: if a round trip to it takes longer, raise node_timeout",
        limit.as_millis()
    )
}

pub(super) fn unreachable(error: &io::Error) -> Fault {
    Fault::untouched(FaultKind::Unreachable, text(error))
}

/// The error without the number that the system has for it. One of TLS says what to do.
pub(in crate::node::redis) fn text(error: &io::Error) -> String {
    #[cfg(feature = "tls-no-provider")]
    if let Some(text) = super::tls::text(error) {
        return text;
    }
    let text = error.to_string();
    match text.rsplit_once(" (os error ") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}
