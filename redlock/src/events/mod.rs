//! The events of this crate, all in one place. They are listed in `docs/events.md`, which a test
//! compares with these files.
//!
//! From `info` on, no event contains a key, an owner or a value of the user. If an event is about a
//! single lock, an event at `debug` with the key follows it. The arguments are only evaluated if
//! there is a subscriber.
//!
//! The functions that emit events also count what [`metrics`] has.

pub(crate) mod attribute;
pub(crate) mod job;
pub(crate) mod lock;
pub(crate) mod metrics;
pub(crate) mod node;
pub(crate) mod span;

/// Whole milliseconds, for fields whose names end in `_ms`.
fn ms(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
