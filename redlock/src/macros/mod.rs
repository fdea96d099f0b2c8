//! What the expansion of `#[redlock]` calls. Not public: it changes with the attribute, in any release.

mod call;
mod ending;
mod failure;
mod fire;
mod firing;
mod handle;
mod hold;
mod key;
#[cfg(feature = "http")]
mod reply;

use std::time::Duration;

pub use call::Call;
pub use ending::{
    AnySuccess, Dedupe, Ending, Outcome, Plain, PlainOutcome, PlainSuccess, ResultOfAny,
    ResultOfOutcome, Returned, success, success_with,
};
pub use failure::{ErrorFromLock, FromLockError, Skipped, Unreturned, on_error, skip, skip_busy};
pub use fire::{
    Fire, Firing, FiringSince, FiringSinceRef, FiringText, FiringTime, FiringTimeRef,
    FiringUndated, Name, Undated,
};
pub use handle::Handle;
pub use key::{Key, Part};

pub use crate::events::{contained, span::in_current_span};
pub use crate::register::{MAX_VALUE, Record, Records};

/// The records of a replay on the nodes of this client.
#[must_use]
pub fn records(redlock: &crate::Redlock) -> Records {
    Records::new(redlock.core())
}

/// The token of who has no lock: lower than all others.
pub const NO_TOKEN: crate::FencingToken = crate::FencingToken::NONE;

/// Reads the address of one server, which is not a node, as those of nodes are read.
///
/// # Errors
/// What is wrong with it, and what to write instead. Nothing of it is shown.
#[cfg(feature = "http")]
pub fn server(address: &str) -> Result<redis::ConnectionInfo, std::borrow::Cow<'static, str>> {
    crate::node::server(address)
}

/// What stands before the keys of this client.
#[must_use]
pub fn namespace(redlock: &crate::Redlock) -> &str {
    &redlock.core().defaults.namespace
}

/// The error of options that contradict each other, for layers with options of their own.
#[must_use]
pub fn invalid_config(text: String) -> crate::Error {
    crate::Error::invalid_config(text)
}

/// Checks a duration of a layer with options of its own. `remedy` says what to do about one of more than 365 days.
///
/// # Errors
/// [`is_invalid`](crate::Error::is_invalid).
pub fn check_duration(
    name: &str,
    value: Duration,
    least: Duration,
    remedy: &str,
) -> crate::Result<()> {
    crate::config::check(name, value, least, remedy)
}

/// Appends a part to a key of the layer, encoded as by [`part`](crate::key::part), without a text of its own.
pub fn push_part(key: &mut String, text: &str) {
    crate::key::push_part(key, text);
}

/// Releases in the background a lock under which nothing ran, without the rest of its `at_least`.
pub fn give_back(guard: crate::Guard) {
    guard.give_back();
}

/// Polls a request as if its task ran under these locks as well, for layers whose requests may go through another task. Locks
/// that were lost, or that the task already runs under, change nothing.
pub fn under<'a, T>(held: impl Iterator<Item = &'a crate::Held>, poll: impl FnOnce() -> T) -> T {
    crate::lock::reentrancy::under(held.map(crate::Held::hold), poll)
}

/// Ends the lock of a body that panicked, for layers that let the panic continue afterwards.
pub async fn end_panicked(guard: crate::Guard) {
    guard.end_badly().await;
}
