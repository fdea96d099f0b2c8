//! The events of this crate, all in one place. They are listed in `docs/events.md`, which a test compares with these files.
//!
//! From `info` on no event names a key, an owner or a value of the user. Where one of them is about a single lock, an event
//! at `debug` follows that names the key. The arguments are only evaluated where somebody listens.

pub(crate) mod attribute;
pub(crate) mod lock;
pub(crate) mod node;

/// Whole milliseconds, for fields whose names end in `_ms`.
fn ms(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
