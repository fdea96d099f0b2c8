//! The options of the replay, and its place under the lock.

use super::{ReplayService, ReplayStore, run::Options};
use crate::{
    http::{Inside, RedlockLayer, sealed},
    key::{KeyExtractor, Scoped},
};
use http::{HeaderName, header};
use std::{fmt, sync::Arc, time::Duration};

/// What of a response is kept, unless said: what describes the body and the resource, and no cookies.
const HEADERS: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::ETAG,
    header::LAST_MODIFIED,
    header::LOCATION,
];

/// The replay inside of a [`RedlockLayer`]: see [`RedlockLayer::replay`].
#[derive(Clone)]
pub struct Replay<St>(Options<St>);

impl<K: KeyExtractor> RedlockLayer<K> {
    /// A repeated `Idempotency-Key` gets the first response again, for `ttl`: see the [module](crate::replay).
    ///
    /// A duplicate of a request that still runs is refused, unless the layer has a [`wait`](RedlockLayer::wait); then it
    /// waits, and gets the same response. Requests without the header are locked as ever. With this,
    /// [`dedupe_for`](RedlockLayer::dedupe_for) applies only to those.
    ///
    /// A request with the header is read into memory before the handler runs, and its response before it goes out, up
    /// to the limits. It costs one more round trip to the store before the handler and one after.
    #[must_use]
    pub fn replay<St: ReplayStore>(self, store: St, ttl: Duration) -> RedlockLayer<K, Replay<St>>
    where
        K::Scope: Scoped,
    {
        self.with_inside(Replay(Options {
            store,
            ttl,
            headers: Arc::new(HEADERS),
            max_request: 1024 * 1024,
            max_response: 64 * 1024,
        }))
    }
}

/// # Replay
impl<K, St> RedlockLayer<K, Replay<St>> {
    /// The headers of a response that are kept, in place of `content-type`, `content-language`, `content-location`,
    /// `etag`, `last-modified` and `location`.
    #[must_use]
    pub fn replay_headers(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.inside_mut().0.headers = headers.into_iter().collect();
        self
    }

    /// The largest body of a request, in bytes (1 MiB); a larger one is answered with 413.
    #[must_use]
    pub fn replay_max_request(mut self, bytes: usize) -> Self {
        self.inside_mut().0.max_request = bytes;
        self
    }

    /// The largest body of a response that is kept, in bytes (64 KiB). A larger one goes out; its request, repeated, is
    /// not run again, and answered with 409.
    #[must_use]
    pub fn replay_max_response(mut self, bytes: usize) -> Self {
        self.inside_mut().0.max_response = bytes;
        self
    }
}

impl<S, St: ReplayStore> Inside<S> for Replay<St> {
    type Service = ReplayService<S, St>;

    fn wrap(&self, service: S, policy: &Arc<sealed::Shared>) -> Self::Service {
        ReplayService::new(service, Arc::new(self.0.clone()), Arc::clone(policy))
    }
}

impl<St> sealed::Sealed for Replay<St> {
    const RECORDS: bool = true;
}

impl<St> fmt::Debug for Replay<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Replay").field(&self.0).finish()
    }
}
