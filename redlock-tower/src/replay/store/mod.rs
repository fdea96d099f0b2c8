//! Where records are kept.

mod memory;
mod quorum;
mod redis;

pub use self::{memory::MemoryStore, quorum::Quorum, redis::RedisStore};

use redlock::FencingToken;
use std::{error::Error, fmt, time::Duration};

/// Keeps one record for each key, guarded by fencing tokens.
///
/// Both operations are atomic for each key. Besides [`Quorum`], [`RedisStore`] and [`MemoryStore`], a table of your own
/// database is a good choice, because it can share a transaction with the handler.
pub trait ReplayStore: Clone + Send + Sync + 'static {
    /// Returns the record of `key`. If there is none, stores an in-progress marker: `token`, for `ttl`.
    ///
    /// A marker with a larger token means that a later holder of the lock has been here: returns [`Begun::Stale`] and
    /// writes nothing. A marker with the same token is renewed. Token 0 is used by requests that run without a lock,
    /// because the layer fails open and no quorum answered; any other token replaces it.
    ///
    /// # Errors
    ///
    /// If the store cannot be used. The request is rejected with 503, or runs unrecorded if the layer fails open.
    fn begin(
        &self,
        key: &str,
        token: FencingToken,
        ttl: Duration,
    ) -> impl Future<Output = Result<Begun, StoreError>> + Send;

    /// As [`begin`](Self::begin), but a record that expires in less than `min_left` is discarded, as if it had expired.
    ///
    /// [`share`](crate::RedlockLayer::share) uses it, so that a duplicate gets the response of a recent request only. Default:
    /// `begin`, with which a duplicate gets the response of any request within the wait and the window.
    ///
    /// # Errors
    ///
    /// As for `begin`.
    fn begin_recent(
        &self,
        key: &str,
        token: FencingToken,
        ttl: Duration,
        min_left: Duration,
    ) -> impl Future<Output = Result<Begun, StoreError>> + Send {
        let _ = min_left;
        self.begin(key, token, ttl)
    }

    /// Stores `record` for `ttl` if the marker of `key` has this `token`, and returns whether it has.
    ///
    /// # Errors
    ///
    /// If the store cannot be used. The call is retried: for 1 s before the response is sent, and in the background for
    /// 30 s after it.
    fn finish(
        &self,
        key: &str,
        token: FencingToken,
        record: Vec<u8>,
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The most bytes of a record. `None`: no limit, which is the default.
    ///
    /// Of a response whose record would be larger, the store gets a record of less than 64 bytes, which says that the response
    /// was not recorded.
    fn max_record(&self) -> Option<usize> {
        None
    }
}

/// What [`ReplayStore::begin`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// No record. The handler may run.
    Fresh,
    /// A record.
    Recorded(Vec<u8>),
    /// The marker of a later holder of the lock. The caller's lock is lost.
    Stale,
}

/// A failure of a [`ReplayStore`].
///
/// The cause may contain the key or the record, so it is logged at `debug` only. The [reason](Self::with_reason) is logged
/// at `warn`.
#[derive(Debug)]
pub struct StoreError {
    cause: Box<dyn Error + Send + Sync>,
    reason: Option<&'static str>,
    retry_after: Option<Duration>,
    forgetful: bool,
}

impl StoreError {
    /// An error with its cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: cause.into(),
            reason: None,
            retry_after: None,
            forgetful: false,
        }
    }

    /// Adds a reason to log at `warn`, such as `"the database cannot be reached"`. Default: no reason.
    #[must_use]
    pub fn with_reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Adds when the request may be tried again, for the `Retry-After` of its rejection. Default: a second.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The store works, and may have forgotten the record.
    fn of_forgetful_store(mut self) -> Self {
        self.forgetful = true;
        self
    }

    pub(crate) fn is_forgetful_store(&self) -> bool {
        self.forgetful
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    pub(crate) fn reason(&self) -> Option<&'static str> {
        self.reason
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the replay store failed: {}", self.cause)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause.as_ref())
    }
}
