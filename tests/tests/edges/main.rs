//! Edges of the API: holds that end in two ways at once, tasks that would wait for themselves, a client that is closing, a
//! panic in a function of the user that the client calls, and odd places to drop a guard.

mod endings;
mod names;
mod panics;
mod shutdown;
mod waits;

use std::time::Duration;

/// A bound for operations that take milliseconds on an idle machine.
const SOON: Duration = Duration::from_secs(20);
/// Longer than any wait of these tests.
const MINUTE: Duration = Duration::from_secs(60);
