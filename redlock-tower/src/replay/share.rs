//! Duplicates that arrive while the first request runs get its response, without an `Idempotency-Key`.
//!
//! It is a replay with three differences. The name of a record is the key of the lock, which contains the fingerprint of the
//! request. A duplicate waits for the lock by default. And a record counts only if it is younger than the duplicate's
//! wait and the window together; the store compares ages, so that the clocks of two servers do not matter.

use super::{
    ReplayLayer, ReplayOptions, ReplayStore,
    contradictions::{self, Inside},
};
use crate::{
    RedlockLayer,
    key::{And, FingerprintKey, KeyExtractor, Scoped, fingerprint},
};
use http::{HeaderName, response};
use std::{fmt, sync::Arc, time::Duration};
use tower_layer::Stack;

const DEFAULT_WAIT: Duration = Duration::from_secs(10);
const DEFAULT_WINDOW: Duration = Duration::from_secs(1);

/// The options of [`RedlockLayer::share_with`].
///
/// ```
/// use redlock_tower::{RedlockLayer, key, replay::{MemoryStore, ShareOptions}};
/// use std::time::Duration;
///
/// # fn layer(redlock: redlock::Redlock) {
/// let _ = RedlockLayer::new(redlock, key::identity(key::header("x-user-id")))
///     .share_with(ShareOptions::new(MemoryStore::new()).window(Duration::from_millis(250)));
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct ShareOptions<St> {
    replay: ReplayOptions<St>,
    window: Duration,
    fingerprint: FingerprintKey,
}

impl<St: ReplayStore> ShareOptions<St> {
    /// Passes responses from one instance to another through `store`.
    pub fn new(store: St) -> Self {
        Self {
            replay: ReplayOptions::new(store, Duration::ZERO).record_if(|_| true),
            window: DEFAULT_WINDOW,
            fingerprint: fingerprint(),
        }
    }

    /// How long after the end of the first request a duplicate still gets its response. A later one runs. Default: 1 s.
    ///
    /// A window of 0 is for requests that a client repeats on purpose. It is measured with the accuracy of a round trip to
    /// the store.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Requests with different values of these headers are not duplicates, for example `accept` or `host`. Default: only
    /// method, path, query, content type and body count.
    pub fn headers(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.fingerprint = self.fingerprint.headers(headers);
        self
    }

    /// Shares responses with `set-cookie` headers too, with these headers. Default: a duplicate of such a request is
    /// rejected as busy, because a cookie is for one client.
    pub fn cookies(mut self) -> Self {
        self.replay = self.replay.cookies();
        self
    }

    /// Leaves these headers out of shared responses, for example a request id. See [`ReplayOptions::except`].
    pub fn except(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.replay = self.replay.except(headers);
        self
    }

    /// The largest response body that is shared, in bytes. Default: 64 KiB.
    ///
    /// A duplicate of a request with a larger one is rejected as busy, as is one of a response that has not ended within a
    /// second, and one of `text/event-stream`.
    pub fn max_response(mut self, bytes: usize) -> Self {
        self.replay = self.replay.max_response(bytes);
        self
    }

    /// Which responses are shared, by their head. After another response the next duplicate runs. Default: all of them,
    /// errors included.
    ///
    /// Never shared are a 101, the statuses 408, 425 and 429, and rejections by layers further in.
    pub fn share_if(
        mut self,
        share_if: impl Fn(&response::Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.replay = self.replay.record_if(share_if);
        self
    }
}

/// # Share
impl<K: KeyExtractor> RedlockLayer<K> {
    /// Duplicates that arrive while the first request runs, or up to a second later, wait for its response and get it too, on
    /// any instance that uses the same `store`.
    ///
    /// Clients need no `Idempotency-Key`. Requests are duplicates if they have the same key of this layer, which has to name the
    /// caller, and the same [fingerprint](crate::key::fingerprint()), which is added to the key. Requests with different bodies
    /// run at the same time.
    ///
    /// | a duplicate of a request that | |
    /// |---|---|
    /// | runs, or has ended within the [window](ShareOptions::window) | gets its response |
    /// | has ended before that | runs |
    /// | has panicked, was cancelled, or was refused with 408, 425 or 429 | runs |
    /// | has a response that cannot be shared: a stream, one that is too large, one with a cookie | 409, `busy` |
    ///
    /// The result is the two layers stacked, the sharing inside of the lock. Set all options of the lock first. Combined with
    /// [`newest_wins`](Self::newest_wins), [`permits`](Self::permits), [`read`](Self::read), [`write`](Self::write) or
    /// [`at_least`](Self::at_least), every request is rejected with 500. So it is where the [`wait`](Self::wait) and the window
    /// have more than 365 days together. With [`no_wait`](Self::no_wait), a duplicate of a request that still runs is rejected
    /// as busy.
    ///
    /// The request body is read up to [`max_body`](Self::max_body), [`max_waiters`](Self::max_waiters) duplicates wait for up to
    /// [`wait`](Self::wait) (10 s by default), and the first request finishes although its client disconnects. A response
    /// that is shared is kept for the wait and the window. No cool-down follows it.
    ///
    /// Each request costs one round trip to the store before the handler (two with [`Quorum`](super::Quorum)), and one after
    /// it. With a [`MemoryStore`](super::MemoryStore), which costs none, the instance that has the response shares it, and
    /// duplicates on others run one after the other.
    ///
    /// ```
    /// use axum::{Router, routing::post};
    /// use redlock::{Redlock, memory::Nodes};
    /// use redlock_tower::{RedlockLayer, key, replay::Quorum};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    /// let by_user = key::identity(key::header("x-user-id"));
    /// let app: Router = Router::new()
    ///     .route("/orders", post(async || "ordered"))
    ///     .layer(
    ///         RedlockLayer::new(redlock.clone(), by_user)
    ///             .required()
    ///             .share(Quorum::new(&redlock)),
    ///     );
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn share<St: ReplayStore>(
        self,
        store: St,
    ) -> Stack<ReplayLayer<St>, RedlockLayer<And<Arc<K>, FingerprintKey>>>
    where
        K::Scope: Scoped,
    {
        self.share_with(ShareOptions::new(store))
    }

    /// As [`share`](Self::share), with options.
    #[must_use]
    pub fn share_with<St: ReplayStore>(
        mut self,
        options: ShareOptions<St>,
    ) -> Stack<ReplayLayer<St>, RedlockLayer<And<Arc<K>, FingerprintKey>>>
    where
        K::Scope: Scoped,
    {
        let wait = self.default_wait(DEFAULT_WAIT);
        let mut replay = options.replay;
        replay.share = Some(wait);
        // A duplicate that arrives at the end of the window may wait that long for those before it.
        replay.ttl = wait.saturating_add(options.window);
        let contradiction = contradictions::of(self.lock_options(), Inside::Share, replay.ttl);
        let lock = self.with_fingerprint(options.fingerprint);
        let lock = lock.with_replay_inside(contradiction);
        Stack::new(ReplayLayer::new(replay), lock)
    }
}

impl<St> fmt::Debug for ShareOptions<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShareOptions")
            .field("replay", &self.replay)
            .field("window", &self.window)
            .field("fingerprint", &self.fingerprint)
            .finish()
    }
}
