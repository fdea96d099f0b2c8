//! The options of a lease and of a hold, after defaults and checks.

use std::time::Duration;

use crate::lock_kind::Kind;

/// A lease can be handed over to a local waiter that wants the same options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseOptions {
    pub(crate) kind: Kind,
    pub(crate) ttl: Duration,
    pub(crate) fencing: bool,
    pub(crate) keep_alive: bool,
    /// A newer request supersedes the hold. Nothing is handed over then.
    pub(crate) newest_wins: bool,
}

/// The options of one hold, which may differ from those of the hold before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HoldOptions {
    /// `None`: no limit.
    pub(crate) max_hold: Option<Duration>,
    pub(crate) at_least: Duration,
}

/// How long the key stays busy after a hold that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Window {
    /// For the rest of `at_least`, if it has one.
    RestOfAtLeast,
    /// It is free at once, although `at_least` is not over.
    Zero,
    CoolDown(Duration),
}
