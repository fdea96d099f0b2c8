//! Where first answers are kept.

use redlock::FencingToken;
use std::{error::Error, fmt, time::Duration};

/// Keeps one record under each key, guarded by fencing tokens.
///
/// Both operations are atomic for each key. [`MemoryStore`](super::MemoryStore) and [`RedisStore`](super::RedisStore)
/// are two of it; a table of your own database is a good third, as it can share a transaction with the handler.
pub trait ReplayStore: Clone + Send + Sync + 'static {
    /// Looks for a record; where there is none, notes that the holder of `token` is at work, for `ttl`.
    ///
    /// The same token may come again, as the note is renewed. Token 0 is that of requests that run without a lock, where the
    /// layer fails open and there is no quorum: any other one takes over from it.
    ///
    /// Where a larger token is noted already the answer is [`Begun::Stale`] and nothing is written.
    ///
    /// # Errors
    ///
    /// When the store does not answer. The request is then answered with 503, or runs unrecorded where the layer fails
    /// open.
    fn begin(
        &self,
        key: &str,
        token: FencingToken,
        ttl: Duration,
    ) -> impl Future<Output = Result<Begun, StoreError>> + Send;

    /// Keeps `record` for `ttl`, if `token` is the one noted; answers whether it is.
    ///
    /// # Errors
    ///
    /// When the store does not answer. It is asked again, for a second before the response goes out and for 30 s behind it.
    fn finish(
        &self,
        key: &str,
        token: FencingToken,
        record: Vec<u8>,
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// What a store has under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Nothing: the handler is to run.
    Fresh,
    /// A record.
    Recorded(Vec<u8>),
    /// A later holder of the lock has been here: the lock was lost.
    Stale,
}

/// The store did not do what it was asked.
///
/// Its cause may name the key, or what is stored: it is logged at `debug` only. What operators may read at `warn` is the
/// [`reason`](Self::with_reason).
#[derive(Debug)]
pub struct StoreError {
    cause: Box<dyn Error + Send + Sync>,
    reason: Option<&'static str>,
}

impl StoreError {
    /// An error with its cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: cause.into(),
            reason: None,
        }
    }

    /// What to log at `warn`, as in `"the database cannot be reached"`. Default: only that the store failed.
    #[must_use]
    pub fn with_reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    pub(crate) fn reason(&self) -> Option<&'static str> {
        self.reason
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store of first answers failed: {}", self.cause)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause.as_ref())
    }
}
