//! The key from a query parameter.

use super::{
    KeyExtractor, Unstated,
    single::{Extracted, single},
};
use http::request::Parts;
use percent_encoding::percent_decode;

/// The key from a query parameter: see [`query`].
#[derive(Clone, Copy, Debug)]
pub struct Query(&'static str);

/// The decoded value of a query parameter, as axum's `Query` decodes it. Missing or empty is no key; two different values are answered with 400.
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

/// What is no UTF-8 becomes a replacement character, so that what is one value to a handler is one key.
fn decode(text: &str) -> String {
    let spaced: Vec<u8> = text
        .bytes()
        .map(|byte| if byte == b'+' { b' ' } else { byte })
        .collect();
    percent_decode(&spaced).decode_utf8_lossy().into_owned()
}
