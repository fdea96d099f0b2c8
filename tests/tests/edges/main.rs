//! Edges of the API: holds that end in two ways at once, futures dropped at each await, tasks that would wait for themselves, a
//! client that is closing, panics in functions of the user that the client calls, windows that begin late, foreign data.

mod dropped;
mod endings;
mod error_texts;
mod exploring;
mod kinds;
mod names;
mod observers;
mod outcomes;
mod panics;
mod secrets;
mod shutdown;
mod waits;
mod windows;

use std::time::Duration;

/// A bound for operations that take milliseconds on an idle machine.
const SOON: Duration = Duration::from_secs(20);
/// Longer than any wait of these tests.
const MINUTE: Duration = Duration::from_secs(60);
