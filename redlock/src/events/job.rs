//! Jobs: firings that start and end.

use std::time::Duration;

use super::{contained, metrics, ms};
use crate::error::Error;

const TARGET: &str = "redlock::job";

/// Times are microseconds since 1970. `firing`: the scheduled instant. `again`: after a crash.
pub(crate) fn started(job: &str, firing: u64, at: u64, again: bool) {
    contained(|| {
        metrics::job_started(job, Duration::from_micros(at.saturating_sub(firing)));
        tracing::debug!(target: TARGET, job, firing, again, "firing started");
    });
}

pub(crate) fn ended(job: &str, state: &'static str, took: Duration, attempts: u32) {
    contained(|| {
        metrics::job_ended(job, state);
        metrics::job_took(job, took);
        tracing::debug!(target: TARGET, job, state, took_ms = ms(took), attempts, "firing ended");
    });
}

/// The end of a completed firing is on record. `firing`: its instant, in microseconds since 1970.
pub(crate) fn completed(job: &str, firing: u64) {
    contained(|| {
        metrics::job_completed(job, Duration::from_micros(firing));
    });
}

/// Firings that no replica began and that are not run any more.
pub(crate) fn missed(job: &str, count: u64) {
    contained(|| {
        if count > 0 {
            metrics::job_missed(job, count);
            tracing::warn!(target: TARGET, count, "firings of a job were missed, since no replica began them in time");
            tracing::debug!(target: TARGET, job, "job whose firings were missed");
        }
    });
}

/// Firings that were due while an earlier one ran.
pub(crate) fn skipped(job: &str, count: u64) {
    contained(|| {
        if count > 0 {
            metrics::job_skipped(job, count);
            tracing::debug!(target: TARGET, job, count, "firings were skipped, since an earlier one still ran");
        }
    });
}

/// One attempt of a body failed. `failure` is a text of the user.
pub(crate) fn failed(job: &str, attempt: u32, failure: &str) {
    contained(|| {
        tracing::warn!(target: TARGET, attempt, "the body of a job failed");
        tracing::debug!(target: TARGET, job, failure, "job whose body failed");
    });
}

/// The replica that ran a firing crashed or lost the lock, and it is not run again.
pub(crate) fn crashed(job: &str) {
    contained(|| {
        metrics::job_ended(job, "crashed");
        tracing::warn!(target: TARGET, "a firing has no end on record, since its replica crashed, and is not run again");
        tracing::debug!(target: TARGET, job, "job whose firing has no end on record");
    });
}

pub(crate) fn lost(job: &str, error: &Error) {
    contained(|| {
        metrics::job_ended(job, "lost");
        tracing::warn!(target: TARGET, error = %error.without_key(), "the lock of a job was lost, so its body was dropped");
        tracing::debug!(target: TARGET, job, "job whose lock was lost");
    });
}

pub(crate) fn forgotten(job: &str, error: &Error) {
    contained(|| {
        tracing::warn!(
            target: TARGET, error = %error.without_key(),
            "the nodes may have forgotten the record of a job, so nothing that was due before now is run"
        );
        tracing::debug!(target: TARGET, job, "job whose record may be forgotten");
    });
}

/// The end of a firing could not be recorded.
pub(crate) fn unrecorded(job: &str, error: &Error) {
    contained(|| {
        tracing::warn!(
            target: TARGET, error = %error.without_key(),
            "the end of a firing was not recorded, so it counts as crashed"
        );
        tracing::debug!(target: TARGET, job, "job whose end was not recorded");
    });
}

/// `ours`, `theirs`: options, or the next firing in microseconds since 1970.
pub(crate) fn differs(job: &str, ours: &str, theirs: &str) {
    contained(|| {
        tracing::warn!(target: TARGET, ours, theirs, "another replica runs a job with other options or another schedule");
        tracing::debug!(target: TARGET, job, "job that replicas run in different ways");
    });
}

pub(crate) fn look_failed(job: &str, error: &Error) {
    contained(|| {
        tracing::debug!(target: TARGET, job, error = %error.without_key(), "a look at a job failed, tried again");
    });
}
