//! The options of the replay, and its place under the lock.

use super::{ReplayService, ReplayStore, run::Options};
use crate::{
    http::{Inside, RedlockLayer, sealed},
    key::{KeyExtractor, Scoped},
};
use http::{HeaderName, request::Parts};
use std::{fmt, sync::Arc, time::Duration};

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
            cookies: false,
            except: Arc::new([]),
            fingerprint: None,
            max_request: 1024 * 1024,
            max_response: 64 * 1024,
        }))
    }
}

/// # Replay
impl<K, St> RedlockLayer<K, Replay<St>> {
    /// Keeps `set-cookie` as well. Default: cookies are left out, since a record outlives many a session.
    #[must_use]
    pub fn replay_cookies(mut self) -> Self {
        self.inside_mut().0.cookies = true;
        self
    }

    /// Leaves these headers out of what is kept, say an id of the request. Default: all are kept but `set-cookie`, `date`,
    /// and those of one connection: `connection` and what it lists, `keep-alive`, `proxy-authenticate`,
    /// `proxy-authorization`, `proxy-connection`, `te`, `trailer`, `transfer-encoding`, `upgrade`.
    #[must_use]
    pub fn replay_except(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.inside_mut().0.except = headers.into_iter().collect();
        self
    }

    /// What a request and its repetition have in common; another request under the same key is answered with 422.
    ///
    /// Default: method, path, query and the bytes of the body, without the boundaries of a multipart body. Choose less
    /// where clients write a repeated request differently, say a time of sending or the order of JSON fields:
    ///
    /// ```
    /// use redlock_tower::{RedlockLayer, key, replay::MemoryStore};
    /// use std::time::Duration;
    ///
    /// # fn layer(redlock: redlock::Redlock) {
    /// let _ = RedlockLayer::new(redlock, key::identity(key::header("x-user-id")))
    ///     .replay(MemoryStore::new(), Duration::from_secs(24 * 60 * 60))
    ///     .replay_fingerprint(|head, _body| head.uri.path().as_bytes().to_vec());
    /// # }
    /// ```
    #[must_use]
    pub fn replay_fingerprint(
        mut self,
        fingerprint: impl Fn(&Parts, &[u8]) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        self.inside_mut().0.fingerprint = Some(Arc::new(fingerprint));
        self
    }

    /// The largest body of a request, in bytes (1 MiB); a larger one is answered with 413.
    #[must_use]
    pub fn replay_max_request(mut self, bytes: usize) -> Self {
        self.inside_mut().0.max_request = bytes;
        self
    }

    /// The largest body of a response that is kept, in bytes (64 KiB). A larger one goes out, as does one that has not
    /// ended within a second and one of `text/event-stream`; their requests, repeated, are not run again, and answered
    /// with 409.
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
