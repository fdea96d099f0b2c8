//! Calls of annotated functions.

use super::{contained, metrics};
use crate::error::Error;

const TARGET: &str = "redlock::attribute";

/// The body came to its end under the lock.
pub(crate) fn ran(function: &'static str) {
    contained(|| {
        metrics::called(function, "ran");
    });
}

pub(crate) fn not_locked(function: &'static str, error: &Error) {
    contained(|| {
        metrics::called(function, "not_locked");
        tracing::debug!(target: TARGET, function, %error, "not locked");
    });
}

pub(crate) fn runs_unlocked(function: &'static str, error: &Error) {
    contained(|| {
        metrics::called(function, "unlocked");
        tracing::warn!(
            target: TARGET, function, error = %error.without_key(),
            "fail_open: running without the lock"
        );
    });
}

/// Every call will fail in the same way.
pub(crate) fn never_runs(function: &'static str, error: &Error) {
    contained(|| {
        tracing::error!(
            target: TARGET, function, kind = ?error.kind(), reason = error.reason(),
            "did not run, and will not run until this is corrected"
        );
    });
}

pub(crate) fn left_out(function: &'static str, error: &Error) {
    contained(|| {
        tracing::warn!(
            target: TARGET, function, kind = ?error.kind(), reason = error.reason(),
            "did not run: the lock was not available, and no error can be returned"
        );
    });
}

/// A newer call that supersedes this one is normal operation.
pub(crate) fn cancelled(function: &'static str, lost: &Error) {
    contained(|| {
        if lost.is_superseded() {
            metrics::called(function, "superseded");
            tracing::debug!(target: TARGET, function, "superseded by a newer call: the body was cancelled");
        } else {
            metrics::called(function, "cancelled");
            tracing::warn!(target: TARGET, function, "the lock is lost: the body was cancelled");
        }
    });
}

pub(crate) fn not_ended(function: &'static str, error: &Error) {
    contained(|| {
        tracing::warn!(
            target: TARGET, function, kind = ?error.kind(), error = %error.without_key(),
            "the body has ended, but its lock could not be ended"
        );
    });
}
