//! The key from a cookie.

use super::{
    KeyExtractor, Unstated,
    single::{Extracted, single},
};
use http::{header::COOKIE, request::Parts};

/// The key from a cookie: see [`cookie()`].
#[derive(Clone, Copy, Debug)]
pub struct Cookie(&'static str);

/// The value of a cookie as the `cookie` crate reads it, and with it most handlers: percent-decoded, without the spaces and
/// quotes around it, so that no spelling of a session has a lock of its own. Missing or empty is no key; two different values are answered with 400.
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
        let pairs = parts.headers.get_all(COOKIE).iter();
        // a pair that is no text takes no lock from those beside it
        let pairs = pairs.map(|header| String::from_utf8_lossy(header.as_bytes()));
        let cookies = pairs.flat_map(|header| {
            let cookies = ::cookie::Cookie::split_parse_encoded(header.into_owned());
            cookies.collect::<Vec<_>>()
        });
        let values = cookies.filter_map(|cookie| {
            let cookie = cookie.ok()?;
            (cookie.name() == self.0).then(|| cookie.value_trimmed().to_owned())
        });
        single("cookie", self.0, values)
    }
}
