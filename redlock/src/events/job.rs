//! Jobs: firings that start and end.

use super::ms;
use crate::error::Error;

const TARGET: &str = "redlock::job";

/// `firing`: its instant, in microseconds since 1970. `again`: after a crash.
pub(crate) fn started(job: &str, firing: u64, again: bool) {
    tracing::debug!(target: TARGET, job, firing, again, "firing started");
}

pub(crate) fn ended(job: &str, state: &'static str, took_micros: u64, attempts: u32) {
    let took = std::time::Duration::from_micros(took_micros);
    tracing::debug!(target: TARGET, job, state, took_ms = ms(took), attempts, "firing ended");
}

/// One attempt of a body failed. `failure` is a text of the user.
pub(crate) fn failed(job: &str, attempt: u32, failure: &str) {
    tracing::warn!(target: TARGET, attempt, "the body of a job failed");
    tracing::debug!(target: TARGET, job, failure, "job whose body failed");
}

/// The replica that ran a firing crashed or lost the lock, and it is not run again.
pub(crate) fn crashed(job: &str) {
    tracing::warn!(target: TARGET, "a firing has no end on record, since its replica crashed, and is not run again");
    tracing::debug!(target: TARGET, job, "job whose firing has no end on record");
}

pub(crate) fn lost(job: &str, error: &Error) {
    tracing::warn!(target: TARGET, error = %error.without_key(), "the lock of a job was lost, so its body was dropped");
    tracing::debug!(target: TARGET, job, "job whose lock was lost");
}

pub(crate) fn forgotten(job: &str, error: &Error) {
    tracing::warn!(
        target: TARGET, error = %error.without_key(),
        "the nodes may have forgotten the record of a job, so nothing that was due before now is run"
    );
    tracing::debug!(target: TARGET, job, "job whose record may be forgotten");
}

/// The end of a firing could not be recorded.
pub(crate) fn unrecorded(job: &str, error: &Error) {
    tracing::warn!(
        target: TARGET, error = %error.without_key(),
        "the end of a firing was not recorded, so it counts as crashed"
    );
    tracing::debug!(target: TARGET, job, "job whose end was not recorded");
}

pub(crate) fn look_failed(job: &str, error: &Error) {
    tracing::debug!(target: TARGET, job, error = %error.without_key(), "a look at a job failed, tried again");
}
