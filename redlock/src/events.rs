//! The events of this crate. Those from `info` on name no key.

use std::time::Duration;

use crate::key::Key;

/// A body came to its end only some time after its lock was lost.
pub(crate) fn body_ran_on(key: &Key, body: &'static str, ran_on: Duration) {
    tracing::warn!(
        body,
        ?ran_on,
        "a body ran on after its lock was lost: it does not await for that long"
    );
    tracing::debug!(%key, body, "a body ran on after its lock was lost");
}

/// A body still runs although its key is free.
pub(crate) fn body_runs_unlocked(key: &Key, body: &'static str, ran_on: Duration) {
    tracing::warn!(
        body,
        ?ran_on,
        "a body still runs and its lock is over, so another may run beside it: it does not await for that long"
    );
    tracing::debug!(%key, body, "a body still runs and its lock is over");
}
