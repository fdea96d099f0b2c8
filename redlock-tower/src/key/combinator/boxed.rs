//! A type-erased extractor.

use crate::key::{HeadOnly, Key, KeyError, KeyExtractor, Reads, Scope, Unstated};
use http::request::Parts;
use std::{fmt, marker::PhantomData, pin::Pin, sync::Arc};

type BoxFuture = Pin<Box<dyn Future<Output = Result<Option<Key>, KeyError>> + Send>>;

/// A boxed extractor: see [`KeyExtractor::boxed`].
///
/// `S` is the scope of the key, and `R` whether it may be in the body: `BoxKeyExtractor<Unstated, WithBody>`.
pub struct BoxKeyExtractor<S = Unstated, R = HeadOnly> {
    extract: Arc<dyn Fn(&Parts) -> BoxFuture + Send + Sync>,
    of: PhantomData<fn() -> (S, R)>,
}

impl<S: Scope, R: Reads> BoxKeyExtractor<S, R> {
    pub(in crate::key) fn new<K>(key: K) -> Self
    where
        K: KeyExtractor<Scope = S, Reads = R>,
        K::Future: 'static,
    {
        Self {
            extract: Arc::new(move |parts| Box::pin(key.extract(parts))),
            of: PhantomData,
        }
    }
}

impl<S: Scope + 'static, R: Reads> KeyExtractor for BoxKeyExtractor<S, R> {
    type Future = BoxFuture;
    type Scope = S;
    type Reads = R;

    fn extract(&self, parts: &Parts) -> Self::Future {
        (self.extract)(parts)
    }
}

impl<S, R> Clone for BoxKeyExtractor<S, R> {
    fn clone(&self) -> Self {
        Self {
            extract: Arc::clone(&self.extract),
            of: PhantomData,
        }
    }
}

impl<S, R> fmt::Debug for BoxKeyExtractor<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxKeyExtractor")
    }
}
