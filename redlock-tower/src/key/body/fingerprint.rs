//! The key from everything that a request and its repetition have in common.

use super::{BodyKey, read_body};
use crate::{
    body,
    key::{Key, KeyExtractor, Unstated, WithBody, push_hex},
};
use http::{HeaderName, request::Parts};
use std::sync::Arc;

/// The key from the whole request: see [`fingerprint`].
#[derive(Clone, Debug)]
pub struct FingerprintKey {
    headers: Arc<[HeaderName]>,
}

/// A hash of method, path, query, content type and body: the same for a request and its exact repetition.
///
/// For duplicates that no field of the request identifies, such as the second click on a button. It does not name the
/// caller: combine it with an extractor that does. Method, path (before a nested router removed its prefix), query and body are
/// compared byte for byte, except for multipart boundaries, which a client draws anew for each try. Spellings of one content
/// type are equal. A body with a timestamp or a random number has a different fingerprint each time.
///
/// ```
/// use redlock_tower::key::{self, KeyExtractor};
///
/// let per_submit = (key::header("x-user-id"), key::fingerprint());
/// # fn check(_: impl KeyExtractor) {}
/// # check(per_submit);
/// ```
#[must_use]
pub fn fingerprint() -> FingerprintKey {
    FingerprintKey {
        headers: Arc::new([]),
    }
}

impl FingerprintKey {
    /// Includes these headers in the hash, with all their values in their order. Default: none.
    ///
    /// ```
    /// use redlock_tower::key;
    ///
    /// let per_submit = key::fingerprint().headers([http::header::ACCEPT_LANGUAGE]);
    /// # fn check(_: impl key::KeyExtractor) {}
    /// # check(per_submit);
    /// ```
    #[must_use]
    pub fn headers(self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        Self {
            headers: headers.into_iter().collect(),
        }
    }
}

impl KeyExtractor for FingerprintKey {
    type Future = BodyKey;
    type Scope = Unstated;
    type Reads = WithBody;

    fn extract(&self, parts: &Parts) -> Self::Future {
        let (headers, body, parts) = (Arc::clone(&self.headers), read_body(parts), parts.clone());
        Box::pin(async move {
            let hash = body::fingerprint(&parts, &headers, &body.await?);
            let mut value = String::with_capacity(2 * hash.len());
            push_hex(&mut value, &hash);
            Ok(Some(Key::named("fingerprint", value)))
        })
    }
}
