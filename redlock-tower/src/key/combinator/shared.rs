//! One extractor for several layers.

use crate::key::KeyExtractor;
use http::request::Parts;
use std::sync::Arc;

impl<K: KeyExtractor> KeyExtractor for Arc<K> {
    type Future = K::Future;
    type Scope = K::Scope;
    type Reads = K::Reads;

    fn extract(&self, parts: &Parts) -> Self::Future {
        K::extract(self, parts)
    }
}
