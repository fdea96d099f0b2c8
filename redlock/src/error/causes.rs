//! The constructors of all errors. The text of each says what happened and what to do.

use std::{borrow::Cow, time::Duration};

use super::{Error, kind::ErrorKind, node::NodeError};
use crate::label::Label;

impl Error {
    pub(crate) fn busy(key: &str, left: Option<Duration>, by: Option<Label>) -> Self {
        let text = match by {
            Some(label) => format!("is held by {label}").into(),
            None => Cow::Borrowed("is held by another client or task"),
        };
        Self::new(ErrorKind::Busy, text)
            .about(key)
            .retry(left)
            .held_by(by)
    }

    pub(crate) fn cooling_down(key: &str, left: Duration) -> Self {
        Self::new(
            ErrorKind::CoolingDown,
            "is in its cool-down, since the work was done a moment ago",
        )
        .about(key)
        .retry(Some(left))
    }

    pub(crate) fn firing_too_old(key: &str, age: Duration, most: Duration) -> Self {
        let text = format!("the firing is {age:.1?} old, so it is not run: `catch_up` is {most:?}");
        Self::new(ErrorKind::TimedOut, text).about(key)
    }

    pub(crate) fn timed_out(
        key: &str,
        waited: Duration,
        left: Option<Duration>,
        by: Option<Label>,
    ) -> Self {
        Self::held_for(key, " by others", waited, left, by)
    }

    /// The holder is a task of this process, and perhaps the one that waited.
    pub(crate) fn timed_out_here(
        key: &str,
        waited: Duration,
        left: Option<Duration>,
        by: Option<Label>,
    ) -> Self {
        Self::held_for(key, " in this process", waited, left, by)
    }

    fn held_for(
        key: &str,
        place: &str,
        waited: Duration,
        left: Option<Duration>,
        by: Option<Label>,
    ) -> Self {
        let mut text = format!(
            "was held{place} for the {} ms of the wait",
            waited.as_millis()
        );
        if let Some(label) = by {
            text = format!("{text}, at its end by {label}");
        }
        Self::new(ErrorKind::TimedOut, text)
            .about(key)
            .retry(left)
            .held_by(by)
    }

    /// The error of a request that waited `wait` for several locks, of which only a part was left for this one.
    pub(crate) fn after_wait(self, wait: Duration) -> Self {
        let key = self.key().map(str::to_owned);
        match (self.kind(), key) {
            (ErrorKind::Busy | ErrorKind::TimedOut, Some(key)) if !wait.is_zero() => {
                Self::held_for(&key, "", wait, self.retry_after(), self.0.held_by)
            }
            _ => self,
        }
    }

    pub(crate) fn too_many_waiters(key: &str) -> Self {
        Self::new(
            ErrorKind::TooManyWaiters,
            "is held by another client or task, and as many requests wait already as its max_waiters allows",
        )
        .about(key)
    }

    /// `able` of the nodes could vote. `errors` contains the causes of the others.
    pub(crate) fn no_quorum(
        key: Option<&str>,
        able: usize,
        quorum: usize,
        errors: Vec<NodeError>,
    ) -> Self {
        let nodes = able + errors.len();
        let text = format!("no quorum: {able} of {nodes} nodes could vote, {quorum} are needed");
        let mut waits: Vec<Duration> = errors.iter().filter_map(NodeError::votes_in).collect();
        waits.sort_unstable();
        // As many more as are missing.
        let last = quorum.saturating_sub(able).checked_sub(1);
        let after = last.and_then(|last| waits.get(last).copied());
        let error = Self::new(ErrorKind::NoQuorum, text).map(|inner| inner.nodes = errors);
        let error = error.retry(after);
        match key {
            Some(key) => error.about(key),
            None => error,
        }
    }

    pub(crate) fn lost(key: &str, why: &'static str) -> Self {
        Self::new(ErrorKind::Lost, why).about(key)
    }

    pub(crate) fn superseded(key: &str) -> Self {
        Self::new(
            ErrorKind::Superseded,
            "is wanted by a newer request, and the newest wins",
        )
        .about(key)
    }

    pub(crate) fn expired(key: &str, ttl: Duration, took: Duration) -> Self {
        Self::new(
            ErrorKind::Expired,
            format!(
                "was granted after {} ms, too late for its ttl of {} ms: ask for a longer ttl",
                took.as_millis(),
                ttl.as_millis()
            ),
        )
        .about(key)
    }

    pub(crate) fn no_token(key: &str) -> Self {
        Self::new(
            ErrorKind::NoQuorum,
            "no fencing token is left above the fence that the nodes reported: a clock was centuries ahead when it was \
             written, delete the fence while nobody holds the lock",
        )
        .about(key)
    }

    pub(crate) fn no_randomness(key: &str) -> Self {
        Self::new(
            ErrorKind::InvalidConfig,
            "the operating system gave no random numbers, which the lock's owner is made of: a sandbox may forbid \
             `getrandom`",
        )
        .about(key)
    }

    pub(crate) fn already_held(key: &str) -> Self {
        Self::new(
            ErrorKind::AlreadyHeld,
            "is held by this very task or request, which would wait for itself: ask for `reentrant`, or use another key",
        )
        .about(key)
    }

    /// All permits that a task waits for may be held by itself.
    pub(crate) fn permits_already_held(key: &str, held: usize, permits: u16) -> Self {
        let text = format!(
            "{held} of its {permits} permits are held by this very task or request, which would wait for itself: release one first, \
             or request fewer"
        );
        Self::new(ErrorKind::AlreadyHeld, text).about(key)
    }

    pub(crate) fn not_configured() -> Self {
        Self::new(
            ErrorKind::NotConfigured,
            "no default lock service is set: call `redlock::set_default` at start, or name one with `lock = ...`",
        )
    }

    pub(crate) fn closed(key: Option<&str>) -> Self {
        let error = Self::new(ErrorKind::Closed, "the lock service was closed");
        match key {
            Some(key) => error.about(key),
            None => error,
        }
    }

    pub(crate) fn invalid_key(key: &str, why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidKey, why).about(key)
    }

    pub(crate) fn invalid_ticket(key: Option<&str>, why: impl Into<Cow<'static, str>>) -> Self {
        let error = Self::new(ErrorKind::InvalidTicket, why);
        match key {
            Some(key) => error.about(key),
            None => error,
        }
    }

    pub(crate) fn ticket_over(key: &str, why: &'static str) -> Self {
        Self::new(ErrorKind::TicketOver, why).about(key)
    }

    /// A semaphore cannot have so many permits, or a request ask for so many.
    pub(crate) fn invalid_permits(key: &str, why: String) -> Self {
        Self::new(ErrorKind::InvalidConfig, why).about(key)
    }

    pub(crate) fn other_permits(key: &str, permits: u16, theirs: &str, kept: Duration) -> Self {
        let text = format!(
            "has {permits} permits here and {theirs} in other clients: name the same number everywhere. The nodes forget \
             theirs {} ms after the last request of those clients",
            kept.as_millis()
        );
        Self::new(ErrorKind::OtherPermits, text).about(key)
    }

    pub(crate) fn value_too_large(key: &str, bytes: usize, most: usize) -> Self {
        let text = format!(
            "a register holds values of at most {most} bytes, this one has {bytes}: keep it in a store, and its name here"
        );
        Self::new(ErrorKind::ValueTooLarge, text).about(key)
    }

    /// `errors` contains the nodes that answered and may have forgotten, and those that did not answer.
    pub(crate) fn forgotten(
        key: &str,
        quorum: usize,
        left: Option<Duration>,
        errors: Vec<NodeError>,
    ) -> Self {
        let text = format!(
            "fewer than {quorum} nodes have been up for the retention of its register, so what it held may be forgotten: \
             write a new value, vouch for the nodes of a first deployment by Redlock::trust_nodes, or wait"
        );
        Self::new(ErrorKind::Forgotten, text)
            .about(key)
            .retry(left)
            .map(|inner| inner.nodes = errors)
    }

    pub(crate) fn register_changing(key: &str, looks: u32) -> Self {
        let text = format!(
            "holders wrote its register during each of {looks} looks, so that no majority had one value: ask again"
        );
        Self::new(ErrorKind::NoQuorum, text).about(key)
    }

    pub(crate) fn other_record(job: &str) -> Self {
        let text = format!(
            "the record of the job `{}` is none that this version of the crate can read: a later version wrote it, or somebody \
             else uses the register of its lock",
            job.escape_debug()
        );
        Self::new(ErrorKind::InvalidConfig, text)
    }

    pub(crate) fn invalid_ttl(why: String) -> Self {
        Self::new(ErrorKind::InvalidTtl, why)
    }

    pub(crate) fn invalid_nodes(why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidNodes, why)
    }

    pub(crate) fn invalid_config(why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidConfig, why)
    }
}
