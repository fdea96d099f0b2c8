//! The layer inside of a lock, and how it is stacked.

use super::{
    ReplayOptions, ReplayService, ReplayStore,
    contradictions::{self, Inside},
};
use crate::{
    http::RedlockLayer,
    key::{KeyExtractor, Scoped},
};
use std::{fmt, sync::Arc, time::Duration};
use tower_layer::{Layer, Stack};

/// Replays responses inside of a lock: see the [module](super).
///
/// It relies on the lock around it, so it is made and stacked by [`RedlockLayer::replay`] and
/// [`RedlockLayer::share`].
pub struct ReplayLayer<St> {
    options: Arc<ReplayOptions<St>>,
}

impl<St> ReplayLayer<St> {
    pub(super) fn new(options: ReplayOptions<St>) -> Self {
        Self {
            options: Arc::new(options),
        }
    }
}

impl<S, St> Layer<S> for ReplayLayer<St> {
    type Service = ReplayService<S, St>;

    fn layer(&self, inner: S) -> Self::Service {
        ReplayService::new(inner, Arc::clone(&self.options))
    }
}

/// # Replay
impl<K: KeyExtractor> RedlockLayer<K> {
    /// Replays the first response to requests that repeat an `Idempotency-Key`, for `ttl`: see the
    /// [module](crate::replay).
    ///
    /// The result is the two layers stacked, the replay inside of the lock. Set all options of the lock first. Combined with
    /// [`newest_wins`](Self::newest_wins), [`permits`](Self::permits), [`read`](Self::read) or [`write`](Self::write), every
    /// request is rejected with 500. So it is with a `ttl` shorter than 1 ms or longer than 365 days.
    ///
    /// A duplicate of a request that still runs is rejected, unless the layer has a [`wait`](Self::wait): then it waits,
    /// and gets the same response. [`dedupe_for`](Self::dedupe_for) applies only to requests without an
    /// `Idempotency-Key`. [`at_least`](Self::at_least) applies to all: a repetition within it is rejected with 409, the reason
    /// [`Answered`](crate::Reason::Answered) and a `Retry-After`, and gets the recorded response after it.
    ///
    /// A request with the header, and its response, are read into memory up to the limits of [`ReplayOptions`]. Each such
    /// request costs one round trip to the store before the handler (two with [`Quorum`](super::Quorum)), and one after it.
    #[must_use]
    pub fn replay<St: ReplayStore>(
        self,
        store: St,
        ttl: Duration,
    ) -> Stack<ReplayLayer<St>, RedlockLayer<K>>
    where
        K::Scope: Scoped,
    {
        self.replay_with(ReplayOptions::new(store, ttl))
    }

    /// As [`replay`](Self::replay), with options.
    #[must_use]
    pub fn replay_with<St: ReplayStore>(
        self,
        options: ReplayOptions<St>,
    ) -> Stack<ReplayLayer<St>, RedlockLayer<K>>
    where
        K::Scope: Scoped,
    {
        let contradiction = contradictions::of(self.lock_options(), Inside::Replay, options.ttl);
        let lock = self.with_replay_inside(contradiction);
        Stack::new(ReplayLayer::new(options), lock)
    }
}

impl<St> Clone for ReplayLayer<St> {
    fn clone(&self) -> Self {
        Self {
            options: Arc::clone(&self.options),
        }
    }
}

impl<St> fmt::Debug for ReplayLayer<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayLayer")
            .field("options", &self.options)
            .finish()
    }
}
