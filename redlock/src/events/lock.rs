//! Locks: acquired, released and lost.

use std::time::Duration;

pub(crate) use super::metrics::Waiting;
use super::{contained, metrics, ms};
use crate::{error::Error, key::Key};

const TARGET: &str = "redlock::lock";

/// By the nodes. `waited`: since the request.
pub(crate) fn granted(key: &Key, token: u64, rounds: u32, waited: impl Fn() -> Duration) {
    contained(|| {
        metrics::granted(rounds, &waited);
        tracing::debug!(target: TARGET, %key, token, rounds, waited_ms = ms(waited()), "lock granted");
    });
}

/// Handed over by the previous holder in this process. `waited`: since the request.
pub(crate) fn handed_over(key: &Key, token: u64, waited: impl Fn() -> Duration) {
    contained(|| {
        metrics::handed_over(waited);
        tracing::debug!(target: TARGET, %key, token, "lock handed over");
    });
}

pub(crate) fn refused(key: &str, error: &Error) {
    contained(|| {
        metrics::refused(error.kind());
        tracing::debug!(
            target: TARGET, key, reason = ?error.kind(), error = %error.without_key(),
            "lock refused"
        );
    });
}

pub(crate) fn rolled_back(key: &Key, nodes: usize) {
    contained(|| {
        tracing::trace!(target: TARGET, %key, nodes, "attempt rolled back");
    });
}

/// A request waits from here until the value is dropped.
pub(crate) fn waiting() -> Waiting {
    Waiting::begin()
}

/// The guard released it, and so much of its validity was `left`. With a window, the key is in a cool-down.
pub(crate) fn released(
    key: &Key,
    token: u64,
    held: impl Fn() -> Duration,
    left: impl Fn() -> Duration,
    window: Option<Duration>,
) {
    contained(|| {
        metrics::released(&held, left, window.is_some());
        tracing::debug!(
            target: TARGET, %key, token, held_ms = ms(held()), cool_down_ms = window.map(ms),
            "lock released"
        );
    });
}

/// `label`: the reason as metrics have it.
pub(crate) fn lost(
    key: &Key,
    token: u64,
    (reason, label): (&'static str, &'static str),
    held: impl Fn() -> Duration,
) {
    contained(|| {
        metrics::lost(label);
        tracing::warn!(target: TARGET, reason, held_ms = ms(held()), "lock lost");
        tracing::debug!(target: TARGET, %key, token, "key of the lost lock");
    });
}

/// A newer request for the same lock was announced, and the newest wins.
pub(crate) fn superseded(key: &Key, token: u64, held: impl Fn() -> Duration) {
    contained(|| {
        metrics::lost("superseded");
        tracing::debug!(
            target: TARGET, %key, token, held_ms = ms(held()),
            "lock superseded by a newer request"
        );
    });
}

/// An election continues: the body was cancelled, and runs again when this process leads again.
pub(crate) fn term_lost(key: &str, error: &Error) {
    contained(|| {
        tracing::debug!(target: TARGET, key, error = %error.without_key(), "term lost, campaigning again");
    });
}

/// An election waits although the nodes refuse. `is_first`: since the campaign began.
pub(crate) fn campaign_refused(key: &str, error: &Error, is_first: bool) {
    contained(|| {
        let error = error.without_key();
        if is_first {
            tracing::warn!(target: TARGET, %error, "nobody of this process can lead: the nodes refuse");
        }
        tracing::debug!(target: TARGET, key, %error, "campaign refused, tried again");
    });
}

/// A lease was extended while this much of its validity was left.
pub(crate) fn renewed(margin: Duration) {
    contained(|| {
        metrics::renewed(margin);
    });
}

pub(crate) fn renewal_failed(key: &Key, error: &Error) {
    contained(|| {
        metrics::renewal_failed();
        tracing::debug!(target: TARGET, %key, error = %error.without_key(), "renewal failed, tried again");
    });
}

/// The task of the renewals ran this much later than its timer. `ttl`: the shortest of those that were due.
pub(crate) fn renewal_stalled(late: Duration, ttl: Duration, sensible_ttl: Duration) {
    contained(|| {
        tracing::warn!(
            target: TARGET, late_ms = ms(late), ttl_ms = ms(ttl), sensible_ttl_ms = ms(sensible_ttl),
            "renewals ran late, since the runtime was blocked or the process was stopped: move blocking work to spawn_blocking, or use a longer ttl"
        );
    });
}

/// A release by `run` failed, which returns the body's value nevertheless.
pub(crate) fn release_failed(key: &Key, error: &Error) {
    contained(|| {
        tracing::warn!(
            target: TARGET, error = %error.without_key(),
            "release failed after its body had finished"
        );
        tracing::debug!(target: TARGET, %key, "key of the failed release");
    });
}

pub(crate) fn forced(key: &str) {
    contained(|| {
        tracing::warn!(target: TARGET, "a lock was taken from its holder by force");
        tracing::debug!(target: TARGET, key, "key of the lock taken by force");
    });
}

pub(crate) fn undelivered(releases: usize) {
    contained(|| {
        tracing::warn!(
            target: TARGET, releases,
            "closed with releases undelivered: their keys expire with their ttl"
        );
    });
}

pub(crate) fn fence_beyond_skew(key: &Key, beyond: Duration) {
    contained(|| {
        tracing::warn!(
            target: TARGET, ?beyond,
            "a fence lies beyond the clock-skew bound: a clock was far ahead when it was written"
        );
        tracing::debug!(target: TARGET, %key, "key of the fence beyond the clock-skew bound");
    });
}

/// A body ended only some time after its lock was lost.
pub(crate) fn body_ran_on(key: &Key, body: &'static str, ran_on: Duration) {
    contained(|| {
        tracing::warn!(
            target: TARGET, body, ?ran_on,
            "a body continued after its lock was lost: it does not await for that long"
        );
        tracing::debug!(target: TARGET, %key, "key of the body that ran on");
    });
}

/// A body is still running although its key is free.
pub(crate) fn body_runs_unlocked(key: &Key, body: &'static str, ran_on: Duration) {
    contained(|| {
        tracing::warn!(
            target: TARGET, body, ?ran_on,
            "a body is still running although its key is free, so another may run beside it: it does not await for that long"
        );
        tracing::debug!(target: TARGET, %key, "key of the body that still runs");
    });
}
