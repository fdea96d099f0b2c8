//! The key from a query parameter.

use super::single::{Extracted, single};
use crate::key::{KeyExtractor, Unstated};
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

    fn extract(&self, parts: &Parts) -> Self::Future {
        let pairs = parts.uri.query().unwrap_or_default().split('&');
        let values = pairs.filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name) == self.0).then(|| decode(value))
        });
        single("query parameter", self.0, values)
    }
}

/// Decodes invalid UTF-8 to replacement characters, as handlers do, so that one value of a handler is one key.
fn decode(text: &str) -> String {
    let spaced: Vec<u8> = text
        .bytes()
        .map(|byte| if byte == b'+' { b' ' } else { byte })
        .collect();
    percent_decode(&spaced).decode_utf8_lossy().into_owned()
}
