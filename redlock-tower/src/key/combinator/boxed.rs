//! A type-erased extractor.

use crate::key::{Key, KeyError, KeyExtractor, Scope, Unstated};
use http::request::Parts;
use std::{fmt, marker::PhantomData, pin::Pin, sync::Arc};

type BoxFuture = Pin<Box<dyn Future<Output = Result<Option<Key>, KeyError>> + Send>>;

/// A boxed extractor: see [`KeyExtractor::boxed`].
pub struct BoxKeyExtractor<S = Unstated> {
    extract: Arc<dyn Fn(&Parts) -> BoxFuture + Send + Sync>,
    scope: PhantomData<fn() -> S>,
}

impl<S: Scope> BoxKeyExtractor<S> {
    pub(in crate::key) fn new<K>(key: K) -> Self
    where
        K: KeyExtractor<Scope = S>,
        K::Future: 'static,
    {
        Self {
            extract: Arc::new(move |parts| Box::pin(key.extract(parts))),
            scope: PhantomData,
        }
    }
}

impl<S: Scope + 'static> KeyExtractor for BoxKeyExtractor<S> {
    type Future = BoxFuture;
    type Scope = S;

    fn extract(&self, parts: &Parts) -> Self::Future {
        (self.extract)(parts)
    }
}

impl<S> Clone for BoxKeyExtractor<S> {
    fn clone(&self) -> Self {
        Self {
            extract: Arc::clone(&self.extract),
            scope: PhantomData,
        }
    }
}

impl<S> fmt::Debug for BoxKeyExtractor<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxKeyExtractor")
    }
}
