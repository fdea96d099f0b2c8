//! A rejection: its reason, status, time to retry, and cause.

use super::Reason;
use crate::{events, key::KeyError, runner::is_outage};
use http::StatusCode;
use std::{borrow::Cow, sync::Arc, time::Duration};

/// The status of a rejection because the key is busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BusyStatus {
    /// 409.
    #[default]
    Conflict,
    /// 423, as in WebDAV.
    Locked,
    /// 429. Many clients and proxies retry it on their own.
    TooManyRequests,
}

impl From<BusyStatus> for StatusCode {
    fn from(status: BusyStatus) -> Self {
        match status {
            BusyStatus::Conflict => Self::CONFLICT,
            BusyStatus::Locked => Self::LOCKED,
            BusyStatus::TooManyRequests => Self::TOO_MANY_REQUESTS,
        }
    }
}

/// How long a request is assumed to hold its lock until one of its route was measured.
const UNMEASURED_HOLD: Duration = Duration::from_secs(1);

/// Default prefix of problem types.
const PROBLEM_TYPES: &str = "urn:problem-type:redlock:";

/// A request that the layer rejected, and why.
///
/// It is passed to [`on_reject`](crate::RedlockLayer::on_reject), and it is an extension of the response, so that outer
/// layers can tell a rejection from a response of the handler.
#[derive(Clone, Debug)]
pub struct Rejection {
    reason: Reason,
    status: StatusCode,
    retry_after: Option<Duration>,
    title: Option<&'static str>,
    detail: Option<Cow<'static, str>>,
    error: Option<redlock::Error>,
    problem_types: Option<Arc<str>>,
}

impl Rejection {
    pub(crate) fn new(reason: Reason) -> Self {
        Self {
            reason,
            status: reason.status(),
            retry_after: None,
            title: None,
            detail: None,
            error: None,
            problem_types: None,
        }
    }

    /// A duplicate of a request whose response cannot be shared.
    #[cfg(feature = "replay")]
    pub(crate) fn busy(status: BusyStatus) -> Self {
        Self {
            status: status.into(),
            ..Self::new(Reason::Busy)
        }
    }

    #[cfg(feature = "replay")]
    pub(crate) fn store_unavailable(retry_after: Option<Duration>) -> Self {
        Self {
            retry_after,
            ..Self::new(Reason::StoreUnavailable)
        }
    }

    /// The store answered, and may have forgotten what the request left in it.
    #[cfg(feature = "replay")]
    pub(crate) fn store_may_have_forgotten(retry_after: Option<Duration>) -> Self {
        Self {
            title: Some("It is not known yet whether this request was processed before"),
            detail: Some(Cow::Borrowed(
                "The request was not processed now. The store of recorded responses started a short time ago and may have \
                 forgotten the first response. Send the same request again later.",
            )),
            ..Self::store_unavailable(retry_after)
        }
    }

    pub(crate) fn no_key(error: &KeyError) -> Self {
        let reason = if error.is_misconfigured() {
            Reason::Misconfigured
        } else if error.is_body_too_large() {
            Reason::BodyTooLarge
        } else if error.is_body_unreadable() {
            Reason::BodyUnreadable
        } else if error.is_invalid() {
            Reason::InvalidKey
        } else {
            Reason::KeyUnavailable
        };
        Self {
            detail: Some(Cow::Owned(error.message().to_owned())),
            ..Self::new(reason)
        }
    }

    /// `usual_hold` is how long requests of this route hold their locks. The remaining lease is only an upper bound, since a
    /// lease is renewed and released early: it says when the lock of a crashed holder ends, and nothing about the work.
    pub(crate) fn not_acquired(
        error: redlock::Error,
        busy: BusyStatus,
        usual_hold: Option<Duration>,
    ) -> Self {
        let mut rejection = Self::from(error);
        if let Reason::Busy | Reason::TimedOut = rejection.reason {
            let usual = usual_hold.unwrap_or(UNMEASURED_HOLD);
            rejection.retry_after = rejection.retry_after.map(|left| left.min(usual));
        }
        match rejection.reason {
            Reason::Busy | Reason::Answered | Reason::TimedOut => Self {
                status: busy.into(),
                ..rejection
            },
            _ => rejection,
        }
    }

    /// Why the request was rejected.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The status of the default response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// When to try again, in whole seconds, rounded up, at least 1. `None` if the same request would be rejected again.
    ///
    /// While the key is held, it is the longest recent hold of this route in this process, at most the rest of the holder's
    /// lease, and 1 before the first hold has ended. In a cool-down it is the rest of the cool-down. A rejection that was made
    /// from an error has the [time of the error](redlock::Error::retry_after).
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        self.reason.is_temporary().then(|| {
            let left = self.retry_after.unwrap_or_default();
            (left.as_secs() + u64::from(left.subsec_nanos() > 0)).max(1)
        })
    }

    /// The `type` of the problem details, which tells reasons apart: see
    /// [`problem_types`](crate::RedlockLayer::problem_types).
    #[must_use]
    pub fn problem_type(&self) -> String {
        let base = self.problem_types.as_deref();
        format!("{}{}", base.unwrap_or(PROBLEM_TYPES), self.reason.as_str())
    }

    /// Sets the prefix of the problem type.
    pub(crate) fn describe_at(&mut self, base: Option<&Arc<str>>) {
        self.problem_types = base.cloned();
    }

    /// What happened, as a short text for people. It contains no value of the request.
    #[must_use]
    pub fn title(&self) -> &str {
        self.title.unwrap_or(self.reason.title())
    }

    /// What the client can do.
    #[must_use]
    pub fn detail(&self) -> &str {
        self.detail.as_deref().unwrap_or(self.reason.detail())
    }

    /// The error of the lock. It names keys and nodes: log it, but do not send it to clients.
    #[must_use]
    pub fn error(&self) -> Option<&redlock::Error> {
        self.error.as_ref()
    }

    pub(super) fn pushback(&self) -> Option<u128> {
        self.retry_after().map(|seconds| {
            self.retry_after
                .map_or(u128::from(seconds) * 1000, |left| left.as_millis().max(1))
        })
    }

    /// Emits an event: a warning if an operator has to act.
    pub(crate) fn log(&self) {
        if self.status.is_server_error() {
            events::rejected_by_fault(self.reason.as_str(), self.error());
        } else {
            events::rejected(self.reason.as_str(), self.error());
        }
    }
}

/// A handler that acquires a lock itself can respond to its error as the layer does:
///
/// ```
/// use redlock::Redlock;
/// use redlock_tower::Rejection;
///
/// async fn renumber(redlock: Redlock) -> Result<&'static str, Rejection> {
///     let guard = redlock.lock("invoice-numbers").no_wait().await?;
///     Ok(guard.run(async { "renumbered" }).await?)
/// }
/// # let _ = renumber;
/// ```
impl From<redlock::Error> for Rejection {
    fn from(error: redlock::Error) -> Self {
        let reason = match &error {
            e if e.is_cooling_down() => Reason::Answered,
            e if e.is_busy() => Reason::Busy,
            e if e.is_timed_out() => Reason::TimedOut,
            e if e.is_too_many_waiters() => Reason::TooManyWaiters,
            e if e.is_lost() => Reason::Lost,
            e if e.is_superseded() => Reason::Superseded,
            e if is_outage(e) => Reason::NoQuorum,
            e if e.is_closed() => Reason::Stopping,
            e if e.is_already_held() => Reason::AlreadyHeld,
            _ => Reason::Misconfigured,
        };
        Self {
            retry_after: error.retry_after(),
            error: Some(error),
            ..Self::new(reason)
        }
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.reason.as_str(), self.title())
    }
}

impl std::error::Error for Rejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.as_ref().map(|error| error as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_rounded_up_and_at_least_one() {
        for (left, seconds) in [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (9_100, 10)] {
            let rejection = Rejection {
                retry_after: Some(Duration::from_millis(left)),
                ..Rejection::new(Reason::Busy)
            };
            assert_eq!(rejection.retry_after(), Some(seconds), "{left} ms");
        }
        assert_eq!(Rejection::new(Reason::NoQuorum).retry_after(), Some(1));
        assert_eq!(Rejection::new(Reason::NoKey).retry_after(), None);
        assert_eq!(Rejection::new(Reason::Lost).retry_after(), None);
        assert_eq!(Rejection::new(Reason::Superseded).retry_after(), None);
    }
}
