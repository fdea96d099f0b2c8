//! A key, or another one in its place.

use crate::key::{Key, KeyError, KeyExtractor, Reads, Scope};
use http::request::Parts;
use pin_project::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The first key that a request has: see [`KeyExtractor::or`].
#[derive(Clone, Copy, Debug)]
pub struct Or<A, B>(A, B);

impl<A, B> Or<A, B> {
    pub(in crate::key) fn new(a: A, b: B) -> Self {
        Self(a, b)
    }
}

impl<A: KeyExtractor, B: KeyExtractor> KeyExtractor for Or<A, B> {
    type Future = OrFuture<A::Future, B::Future>;
    type Scope = <A::Scope as Scope>::Or<B::Scope>;
    type Reads = <A::Reads as Reads>::And<B::Reads>;

    fn extract(&self, parts: &Parts) -> Self::Future {
        OrFuture {
            a: Some(self.0.extract(parts)),
            b: self.1.extract(parts),
            not_provided: false,
        }
    }
}

/// The future of [`Or`].
#[pin_project]
pub struct OrFuture<A, B> {
    /// `None` after it found no key.
    #[pin]
    a: Option<A>,
    #[pin]
    b: B,
    /// The server provides no value for the first key.
    not_provided: bool,
}

impl<A, B> Future for OrFuture<A, B>
where
    A: Future<Output = Result<Option<Key>, KeyError>>,
    B: Future<Output = Result<Option<Key>, KeyError>>,
{
    type Output = Result<Option<Key>, KeyError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(a) = this.a.as_mut().as_pin_mut() {
            match ready!(a.poll(cx)) {
                Ok(None) => {}
                // An empty value is not a key.
                Ok(Some(key)) if key.is_empty() => {}
                Ok(Some(key)) => return Poll::Ready(Ok(Some(key.alternative(false)))),
                Err(error) if error.is_not_provided() => *this.not_provided = true,
                Err(error) => return Poll::Ready(Err(error)),
            }
            this.a.set(None);
        }
        let found = match ready!(this.b.poll(cx)) {
            // The client could have sent the first key.
            Err(error) if error.is_not_provided() && !*this.not_provided => Ok(None),
            found => found,
        };
        Poll::Ready(found.map(|key| key.map(|key| key.alternative(true))))
    }
}

impl<A, B> fmt::Debug for OrFuture<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::{from_fn, header};
    use futures_util::FutureExt as _;
    use http::Request;

    #[test]
    fn an_empty_value_is_not_the_first_key() {
        let head = Request::builder().header("x-session", "7").body(());
        let head = head.unwrap().into_parts().0;
        let of = |first: Option<&'static str>| {
            let first = from_fn(move |_: &Parts| first);
            let key = first.or(header("x-session")).extract(&head);
            key.now_or_never().unwrap().unwrap()
        };
        let second = of(None);
        assert!(second.is_some());
        assert_eq!(of(Some("")), second);
        assert_eq!(of(Some("7")), Some(Key::new("7")));
    }
}
