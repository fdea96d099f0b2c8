//! The options of a replay, as one value.

use super::ReplayStore;
use http::{HeaderName, request::Parts};
use std::{fmt, sync::Arc, time::Duration};

const MAX_REQUEST: usize = 1024 * 1024;
const MAX_RESPONSE: usize = 64 * 1024;

/// Of the user: returns what a request and its repetition have in common.
type CustomFingerprint = dyn Fn(&Parts, &[u8]) -> Vec<u8> + Send + Sync;

/// The options of a replay, for [`RedlockLayer::replay_with`](crate::RedlockLayer::replay_with).
///
/// ```
/// use redlock_tower::{RedlockLayer, key, replay::{MemoryStore, ReplayOptions}};
/// use std::time::Duration;
///
/// # fn layer(redlock: redlock::Redlock) {
/// let day = Duration::from_secs(24 * 60 * 60);
/// let _ = RedlockLayer::new(redlock, key::identity(key::header("x-user-id")))
///     .replay_with(ReplayOptions::new(MemoryStore::new(), day).max_response(1024 * 1024));
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct ReplayOptions<St> {
    pub(super) store: St,
    pub(super) ttl: Duration,
    pub(super) cookies: bool,
    /// Headers that are not recorded, in addition to those that never are.
    pub(super) except: Arc<[HeaderName]>,
    pub(super) fingerprint: Option<Arc<CustomFingerprint>>,
    pub(super) max_request: usize,
    pub(super) max_response: usize,
}

impl<St: ReplayStore> ReplayOptions<St> {
    /// Keeps records in `store` for `ttl` after the lock has been released.
    pub fn new(store: St, ttl: Duration) -> Self {
        Self {
            store,
            ttl,
            cookies: false,
            except: Arc::new([]),
            fingerprint: None,
            max_request: MAX_REQUEST,
            max_response: MAX_RESPONSE,
        }
    }

    /// Records `set-cookie` headers too. Default: cookies are left out, because a record may outlive its session.
    pub fn cookies(mut self) -> Self {
        self.cookies = true;
        self
    }

    /// Does not record these headers, for example a request id.
    ///
    /// Default: all headers are recorded but `set-cookie`, `date`, and those of the connection: `connection` and what it
    /// lists, `keep-alive`, `proxy-authenticate`, `proxy-authorization`, `proxy-connection`, `te`, `trailer`,
    /// `transfer-encoding` and `upgrade`.
    pub fn except(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.except = headers.into_iter().collect();
        self
    }

    /// What a request and its repetition have in common. A different request with the same key is rejected with 422.
    ///
    /// Default: method, path, query and the bytes of the body, without the boundaries of a multipart body. Return less if
    /// clients do not repeat a request byte for byte, because it contains a timestamp, or JSON fields in any order:
    ///
    /// ```
    /// use redlock_tower::replay::{MemoryStore, ReplayOptions};
    /// use std::time::Duration;
    ///
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let _ = ReplayOptions::new(MemoryStore::new(), day)
    ///     .fingerprint(|head, _body| head.uri.path().as_bytes().to_vec());
    /// ```
    pub fn fingerprint(
        mut self,
        fingerprint: impl Fn(&Parts, &[u8]) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        self.fingerprint = Some(Arc::new(fingerprint));
        self
    }

    /// The largest request body, in bytes. A request with a larger one is rejected with 413. Default: 1 MiB.
    pub fn max_request(mut self, bytes: usize) -> Self {
        self.max_request = bytes;
        self
    }

    /// The largest response body that is recorded, in bytes. Default: 64 KiB.
    ///
    /// A larger one is sent and not recorded, as is one that has not ended within a second, and one of
    /// `text/event-stream`. A repetition of such a request does not run again: it is rejected with 409.
    pub fn max_response(mut self, bytes: usize) -> Self {
        self.max_response = bytes;
        self
    }
}

impl<St> fmt::Debug for ReplayOptions<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayOptions")
            .field("ttl", &self.ttl)
            .field("cookies", &self.cookies)
            .field("except", &self.except)
            .field("max_request", &self.max_request)
            .field("max_response", &self.max_response)
            .finish_non_exhaustive()
    }
}
