//! The key from a cookie.

use super::{
    KeyExtractor, Unstated,
    single::{Extracted, single},
};
use http::{header::COOKIE, request::Parts};

/// The key from a cookie: see [`cookie`].
#[derive(Clone, Copy, Debug)]
pub struct Cookie(&'static str);

/// The value of a cookie as it is sent. Missing or empty is no key; two different values are answered with 400.
///
/// A session cookie is a secret: add `hash_keys()` on the layer, so that it does not stand in Redis.
#[must_use]
pub fn cookie(name: &'static str) -> Cookie {
    Cookie(name)
}

impl KeyExtractor for Cookie {
    type Future = Extracted;
    type Scope = Unstated;

    fn extract(&self, parts: &Parts) -> Self::Future {
        // over HTTP/2 the pairs may come as headers of their own
        let pairs = parts
            .headers
            .get_all(COOKIE)
            .iter()
            .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
        let values = pairs.filter_map(|pair| {
            let mut halves = pair.trim_ascii().splitn(2, |byte| *byte == b'=');
            (halves.next() == Some(self.0.as_bytes())).then(|| halves.next().unwrap_or_default())
        });
        single("cookie", self.0, values)
    }
}
