//! The key from a query parameter.

use super::single::{Extracted, single};
use crate::key::{HeadOnly, KeyExtractor, Unstated};
use http::request::Parts;
use percent_encoding::percent_decode;

/// The key from a query parameter: see [`query`].
#[derive(Clone, Copy, Debug)]
pub struct Query(&'static str);

/// The value of a query parameter, decoded as by axum's `Query`. A request without it, or with an empty value, has no key.
/// Two different values are rejected with 400.
#[must_use]
pub fn query(name: &'static str) -> Query {
    Query(name)
}

impl KeyExtractor for Query {
    type Future = Extracted;
    type Scope = Unstated;
    type Reads = HeadOnly;

    fn extract(&self, parts: &Parts) -> Self::Future {
        let query = parts.uri.query().unwrap_or_default();
        single("query parameter", self.0, values(query.as_bytes(), self.0))
    }
}

/// The values of `name` in `application/x-www-form-urlencoded` pairs.
///
/// Decodes invalid UTF-8 to replacement characters, as handlers do, so that one value of a handler is one key.
pub(in crate::key) fn values<'a>(pairs: &'a [u8], name: &'a str) -> impl Iterator<Item = String> {
    pairs.split(|byte| *byte == b'&').filter_map(move |pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        (decode(halves.next()?) == name).then(|| decode(halves.next().unwrap_or_default()))
    })
}

fn decode(text: &[u8]) -> String {
    let spaced: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    percent_decode(&spaced).decode_utf8_lossy().into_owned()
}
