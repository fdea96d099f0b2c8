//! The key from a cookie.

use super::single::{Extracted, single};
use crate::key::{HeadOnly, KeyExtractor, Unstated};
use http::{header::COOKIE, request::Parts};

/// The key from a cookie: see [`cookie()`].
#[derive(Clone, Copy, Debug)]
pub struct Cookie(&'static str);

/// The value of a cookie. A request without it, or with an empty value, has no key. Two different values are rejected with
/// 400.
///
/// The value is read as the `cookie` crate reads it, and with it most handlers: percent-decoded, without spaces and quotes
/// around it, so that all spellings of a session share one lock. A session cookie is a secret:
/// [`hash_keys`](crate::RedlockLayer::hash_keys) keeps it out of Redis.
#[must_use]
pub fn cookie(name: &'static str) -> Cookie {
    Cookie(name)
}

impl KeyExtractor for Cookie {
    type Future = Extracted;
    type Scope = Unstated;
    type Reads = HeadOnly;

    fn extract(&self, parts: &Parts) -> Self::Future {
        // HTTP/2 may split the pairs into several headers.
        let pairs = parts.headers.get_all(COOKIE).iter();
        // A pair that is not text must not hide the other ones.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::Key;
    use futures_util::FutureExt as _;
    use http::Request;

    fn session(header: &[u8]) -> Option<Key> {
        let request = Request::builder().header(COOKIE, header).body(()).unwrap();
        let key = cookie("session").extract(&request.into_parts().0);
        key.now_or_never().unwrap().unwrap()
    }

    #[test]
    fn all_spellings_of_a_value_are_one_key() {
        let plain = session(b"session=a:b");
        assert_eq!(plain, Some(Key::named("session", "a:b")));
        assert_eq!(plain, session(b"session=a%3Ab"));
        assert_eq!(plain, session(b"session=\"a:b\""));
        assert_ne!(plain, session(b"session=a:c"));
    }

    #[test]
    fn a_cookie_that_is_not_text_hides_no_other() {
        let plain = session(b"session=7");
        assert_eq!(plain, session(b"theme=\xff; session=7"));
        assert_eq!(session(b"theme=\xff"), None);
    }
}
