//! The options of a replay, as one value.

use super::ReplayStore;
use http::{HeaderName, StatusCode, request::Parts, response};
use std::{fmt, sync::Arc, time::Duration};

const MAX_REQUEST: usize = 1024 * 1024;
const MAX_RESPONSE: usize = 64 * 1024;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const STRIPE_MAX_KEY: usize = 255;
/// The handler has not begun to work.
const FAILED_VALIDATION: [StatusCode; 7] = [
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::NOT_ACCEPTABLE,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

/// Of the user: returns what a request and its repetition have in common.
type CustomFingerprint = dyn Fn(&Parts, &[u8]) -> Vec<u8> + Send + Sync;

/// Of the user: returns whether a response is recorded.
type RecordIf = dyn Fn(&response::Parts) -> bool + Send + Sync;

/// The options of a replay, for [`RedlockLayer::replay_with`](crate::RedlockLayer::replay_with).
///
/// ```
/// use redlock_tower::{RedlockLayer, key, replay::{Quorum, ReplayOptions}};
/// use std::time::Duration;
///
/// # fn layer(redlock: redlock::Redlock) {
/// let day = Duration::from_secs(24 * 60 * 60);
/// let _ = RedlockLayer::new(redlock.clone(), key::identity(key::header("x-user-id")))
///     .replay_with(ReplayOptions::new(Quorum::new(&redlock), day).max_request(64 * 1024));
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
    /// `None`: successes, as the layer defines them.
    pub(super) record_if: Option<Arc<RecordIf>>,
    pub(super) max_key: Option<usize>,
    pub(super) max_request: usize,
    pub(super) max_response: usize,
    /// For [`RedlockLayer::share`](crate::RedlockLayer::share): how long a duplicate waits. The rest of the `ttl` is the
    /// window.
    pub(super) share: Option<Duration>,
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
            record_if: None,
            max_key: None,
            max_request: MAX_REQUEST,
            max_response: MAX_RESPONSE,
            share: None,
        }
    }

    /// The behaviour of Stripe's API: records last for 24 hours, keys have at most 255 bytes, and errors of the handler are
    /// recorded too, including 5xx, so that a request with effects never runs again under the same key.
    ///
    /// A failed validation is not recorded: 400, 401, 405, 406, 413, 415 and 422. Neither are 408, 425 and 429, and
    /// rejections by layers further in.
    ///
    /// ```
    /// use redlock_tower::RedlockLayer;
    /// use redlock_tower::{key::{self, KeyExtractor}, replay::{Quorum, ReplayOptions}};
    ///
    /// # fn layer(redlock: redlock::Redlock) {
    /// let per_submit = key::identity(key::header("x-user-id")).and(key::idempotency_key());
    /// let _ = RedlockLayer::new(redlock.clone(), per_submit)
    ///     .replay_with(ReplayOptions::stripe(Quorum::new(&redlock)));
    /// # }
    /// ```
    pub fn stripe(store: St) -> Self {
        Self::new(store, DAY)
            .max_key(STRIPE_MAX_KEY)
            .record_if(|response| !FAILED_VALIDATION.contains(&response.status))
    }

    /// Which responses are recorded, by their head. Default: successes, as [`failure_if`](crate::RedlockLayer::failure_if)
    /// defines them.
    ///
    /// These are never recorded: a 101; the statuses 408, 425 and 429, which ask the client to try again; rejections by inner
    /// layers; and responses with a gRPC status other than OK in the trailers. A response with the extension
    /// [`Keep`](super::Keep) is always recorded.
    pub fn record_if(
        mut self,
        record_if: impl Fn(&response::Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.record_if = Some(Arc::new(record_if));
        self
    }

    /// The longest `Idempotency-Key`, in bytes without its quotes. A longer one is rejected with 400. Default: what the
    /// server accepts as a header.
    pub fn max_key(mut self, bytes: usize) -> Self {
        self.max_key = Some(bytes);
        self
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
    /// Default: method, path, query, content type and the bytes of the body, without the boundaries of a multipart body. Return less if
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

    /// The largest response body that is recorded, in bytes. Default: 64 KiB. A store may have a lower limit: a
    /// [`Quorum`](super::Quorum) has one of 64 KiB for the body and the headers together.
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
            .field("max_key", &self.max_key)
            .field("max_request", &self.max_request)
            .field("max_response", &self.max_response)
            .finish_non_exhaustive()
    }
}
