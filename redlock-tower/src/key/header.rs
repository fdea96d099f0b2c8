//! The key from a request header.

use super::{
    KeyExtractor, Unstated,
    single::{Extracted, single},
};
use http::{HeaderName, request::Parts};

/// The key from a header: see [`header`].
#[derive(Clone, Copy, Debug)]
pub struct Header(&'static str);

/// The value of a request header, any bytes; a name that is no header name matches nothing.
///
/// A header that is missing or empty is no key; two different values are answered with 400. A header that the client
/// may set at will identifies nobody: let the authentication set it, or use [`extension`](super::extension).
#[must_use]
pub fn header(name: &'static str) -> Header {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        tracing::error!(
            name,
            "this is no header name: no request will have it, and none be locked by it"
        );
    }
    Header(name)
}

impl KeyExtractor for Header {
    type Future = Extracted;
    type Scope = Unstated;

    fn extract(&self, parts: &Parts) -> Self::Future {
        single("header", self.0, parts.headers.get_all(self.0).iter())
    }
}
