//! The events of this crate, all in one place. They are listed in `docs/events.md`, which a test
//! compares with these files.
//!
//! From `info` on, no event contains a key, an owner or a value of the user. If an event is about a
//! single lock, an event at `debug` with the key follows it. The arguments are only evaluated if
//! there is a subscriber.
//!
//! The functions that emit events also count what [`metrics`] has. A subscriber or a recorder that panics
//! loses its event, and affects nothing else: see [`contained`].

pub(crate) mod attribute;
pub(crate) mod job;
pub(crate) mod lock;
pub(crate) mod metrics;
pub(crate) mod node;
pub(crate) mod span;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls the subscribers and recorders of the user. Locks and connections change state around an event, so a panic ends here.
/// The panic hook has reported it.
pub fn contained(emit: impl FnOnce()) {
    // Nothing of ours is left half changed: only references were captured.
    drop(catch_unwind(AssertUnwindSafe(emit)));
}

/// Whole milliseconds, for fields whose names end in `_ms`.
fn ms(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
