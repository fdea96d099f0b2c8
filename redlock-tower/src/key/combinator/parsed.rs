//! A key in the canonical spelling of a type.

use crate::key::{Key, KeyError, KeyExtractor};
use http::request::Parts;
use pin_project::pin_project;
use std::{
    fmt::{self, Display},
    marker::PhantomData,
    pin::Pin,
    str::FromStr,
    task::{Context, Poll, ready},
};

/// The key as `T` formats it: see [`KeyExtractor::parsed`].
pub struct Parsed<K, T> {
    key: K,
    of: PhantomData<fn() -> T>,
}

impl<K, T> Parsed<K, T> {
    pub(in crate::key) fn new(key: K) -> Self {
        Self {
            key,
            of: PhantomData,
        }
    }
}

impl<K: KeyExtractor, T: FromStr + Display + 'static> KeyExtractor for Parsed<K, T> {
    type Future = ParsedFuture<K::Future, T>;
    type Scope = K::Scope;
    type Reads = K::Reads;

    fn extract(&self, parts: &Parts) -> Self::Future {
        ParsedFuture {
            key: self.key.extract(parts),
            of: PhantomData,
        }
    }
}

impl<K: Clone, T> Clone for Parsed<K, T> {
    fn clone(&self) -> Self {
        Self::new(self.key.clone())
    }
}

impl<K: fmt::Debug, T> fmt::Debug for Parsed<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Parsed").field(&self.key).finish()
    }
}

/// The future of [`Parsed`].
#[pin_project]
pub struct ParsedFuture<F, T> {
    #[pin]
    key: F,
    of: PhantomData<fn() -> T>,
}

impl<F, T> Future for ParsedFuture<F, T>
where
    F: Future<Output = Result<Option<Key>, KeyError>>,
    T: FromStr + Display,
{
    type Output = Result<Option<Key>, KeyError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let key = ready!(self.project().key.poll(cx));
        // An empty value is not a key, even if it parses.
        Poll::Ready(key.and_then(|key| match key {
            Some(key) if !key.is_empty() => key.rewritten(canonical::<T>).map(Some),
            none => Ok(none),
        }))
    }
}

fn canonical<T: FromStr + Display>(name: &str, value: &[u8]) -> Result<Vec<u8>, KeyError> {
    let parsed = std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse::<T>().ok());
    match parsed {
        Some(parsed) => Ok(parsed.to_string().into_bytes()),
        None => Err(KeyError::invalid(format!(
            "the value of `{name}` is not well-formed"
        ))),
    }
}

impl<F, T> fmt::Debug for ParsedFuture<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::header;
    use futures_util::FutureExt as _;
    use http::Request;

    fn number(value: &str) -> Result<Option<Key>, KeyError> {
        let request = Request::builder().header("x-order", value);
        let head = request.body(()).unwrap().into_parts().0;
        let key = header("X-Order").parsed::<u64>().extract(&head);
        key.now_or_never().unwrap()
    }

    #[test]
    fn all_spellings_of_a_number_are_one_key() {
        let plain = number("7");
        assert_eq!(plain, Ok(Some(Key::named("x-order", "7"))));
        assert_eq!(plain, number("07"));
        assert_eq!(plain, number("+7"));
        assert!(number("seven").is_err());
        assert_eq!(number(""), Ok(None));
    }
}
