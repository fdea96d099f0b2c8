//! Records on the nodes of the lock, in their registers.

use super::{Begun, ReplayStore, StoreError};
use redlock::{
    __private::{MAX_VALUE, NO_TOKEN, Records, records},
    Error, FencingToken, Redlock,
};
use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// The shortest time that a register remembers.
const MIN_TTL: Duration = Duration::from_millis(1);

/// A [`ReplayStore`] on the nodes of the lock: each record is on a majority of them.
///
/// It has no connection and no setting of its own: TLS, logins, the namespace and the time-out are those of the [`Redlock`]. A
/// minority of the nodes may be down, or lose its data, between a request and its repetition. A holder that lost its lock
/// cannot write, as each write carries the fencing token.
///
/// ```
/// use redlock_tower::{RedlockLayer, key::{self, KeyExtractor}, replay::Quorum};
/// use std::time::Duration;
///
/// # fn layer(redlock: redlock::Redlock) {
/// let per_submit = key::identity(key::header("x-user-id")).and(key::idempotency_key());
/// let _ = RedlockLayer::new(redlock.clone(), per_submit)
///     .replay(Quorum::new(&redlock), Duration::from_secs(24 * 60 * 60));
/// # }
/// ```
///
/// A first request costs three round trips to the nodes: two before the handler and one after it. A repetition costs two.
///
/// A record has at most 64 KiB, headers included. A larger response is sent and not recorded, whatever
/// [`max_response`](super::super::ReplayOptions::max_response) says: its repetition is rejected with 409 and does not run. The `ttl` of a
/// replay is at most a year.
///
/// # Nodes that started lately
///
/// A node may have lost its data when it started. So it has a vote on records that were written after its start, and on all
/// others once it is older than the `ttl` of the replay. While fewer nodes than a majority are that old, the store cannot tell
/// a first request from a repetition, and **a request with a new key is rejected with 503**, because it may have run before.
/// `Retry-After` is the time until enough nodes are old enough, at most the `ttl`. Requests without an `Idempotency-Key` are
/// not affected. With [`fail_open`](crate::RedlockLayer::fail_open) the request runs, and its response is recorded.
///
/// - On a first deployment, say since when there may be records: [`since`](Self::since). An operator can also vouch for the
///   nodes with [`Redlock::trust_nodes`], in each process.
/// - Restart one node at a time, and the next one a `ttl` later. A shorter `ttl` makes that easier.
/// - For nodes that lose nothing, [`RestartGuard::Off`](redlock::RestartGuard::Off) lets all of them vote at once.
#[derive(Clone)]
pub struct Quorum(Records);

impl Quorum {
    /// Keeps records on the nodes of `redlock`: pass the one that the layer has.
    #[must_use]
    pub fn new(redlock: &Redlock) -> Self {
        Self(records(redlock))
    }

    /// States that no record is older than `first`, such as the day of the first deployment. Default: unknown.
    ///
    /// A node that started before it has forgotten no record, so it votes although it is younger than the `ttl`. The
    /// statement stays true, so it can stay in the program. A time in the future has no effect until it has come.
    ///
    /// The promise that nothing runs twice then depends on the statement. If it is wrong, because a record was written before
    /// `first` and two of three nodes lost it at a restart before `first`, the repetition of its request runs a second time. So state a time at
    /// which no instance had served yet. The clocks of the instances and the nodes may differ by the
    /// [skew bound](redlock::Builder::clock_skew); it is added to the time for which a node has to have been up.
    ///
    /// ```
    /// use redlock_tower::replay::Quorum;
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// # fn store(redlock: redlock::Redlock) {
    /// let deployed = UNIX_EPOCH + Duration::from_secs(1_795_737_600); // 2026-11-27
    /// let _ = Quorum::new(&redlock).since(deployed);
    /// # }
    /// ```
    #[must_use]
    pub fn since(self, first: SystemTime) -> Self {
        Self(self.0.since(first))
    }
}

impl ReplayStore for Quorum {
    async fn begin(
        &self,
        key: &str,
        token: FencingToken,
        ttl: Duration,
    ) -> Result<Begun, StoreError> {
        self.begin_recent(key, token, ttl, Duration::ZERO).await
    }

    /// The marker is the promise of the nodes to refuse writes with lower tokens.
    async fn begin_recent(
        &self,
        key: &str,
        token: FencingToken,
        ttl: Duration,
        min_left: Duration,
    ) -> Result<Begun, StoreError> {
        let unlocked = token == NO_TOKEN;
        let found = if unlocked {
            self.0.look(key, ttl.max(MIN_TTL)).await
        } else {
            self.0.read(key, token, ttl.max(MIN_TTL)).await
        };
        match found {
            Ok(Some(record)) if record.left >= min_left => Ok(Begun::Recorded(record.value)),
            // Without a token nothing can be written.
            Ok(_) if unlocked => Ok(Begun::Stale),
            Ok(_) => Ok(Begun::Fresh),
            Err(error) if error.is_lost() => Ok(Begun::Stale),
            Err(error) => Err(store_error(error)),
        }
    }

    async fn finish(
        &self,
        key: &str,
        token: FencingToken,
        record: Vec<u8>,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        match self.0.write(key, token, record, ttl.max(MIN_TTL)).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_lost() => Ok(false),
            Err(error) => Err(store_error(error)),
        }
    }

    fn max_record(&self) -> Option<usize> {
        Some(MAX_VALUE)
    }
}

fn store_error(error: Error) -> StoreError {
    let (reason, retry_after) = (reason(&error), error.retry_after());
    let forgotten = error.is_forgotten();
    let mut error = StoreError::new(error).with_reason(reason);
    if let Some(after) = retry_after {
        error = error.with_retry_after(after);
    }
    if forgotten {
        error = error.of_forgetful_store();
    }
    error
}

fn reason(error: &Error) -> &'static str {
    if error.is_forgotten() {
        "nodes that started lately may have forgotten the record: wait until they are older than the ttl of the replay, or for a \
         first deployment state `Quorum::since`"
    } else if error.is_no_quorum() {
        "too few nodes answered"
    } else if error.is_closed() {
        "the Redlock is closed"
    } else {
        "the ttl of the replay, or the key of the layer, is not valid"
    }
}

impl fmt::Debug for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Quorum").field(&self.0).finish()
    }
}
