//! Both keys together.

use crate::key::{Key, KeyError, KeyExtractor, Reads, Scope};
use http::request::Parts;
use pin_project::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Both keys together: see [`KeyExtractor::and`].
#[derive(Clone, Copy, Debug)]
pub struct And<A, B>(A, B);

impl<A, B> And<A, B> {
    pub(in crate::key) fn new(a: A, b: B) -> Self {
        Self(a, b)
    }
}

impl<A: KeyExtractor, B: KeyExtractor> KeyExtractor for And<A, B> {
    type Future = AndFuture<A::Future, B::Future>;
    type Scope = <A::Scope as Scope>::And<B::Scope>;
    type Reads = <A::Reads as Reads>::And<B::Reads>;

    fn extract(&self, parts: &Parts) -> Self::Future {
        AndFuture::new(self.0.extract(parts), self.1.extract(parts))
    }
}

/// The future of [`And`].
#[pin_project]
pub struct AndFuture<A, B> {
    #[pin]
    a: A,
    #[pin]
    b: B,
    first: Option<Key>,
}

impl<A, B> AndFuture<A, B> {
    pub(super) fn new(a: A, b: B) -> Self {
        Self { a, b, first: None }
    }
}

impl<A, B> Future for AndFuture<A, B>
where
    A: Future<Output = Result<Option<Key>, KeyError>>,
    B: Future<Output = Result<Option<Key>, KeyError>>,
{
    type Output = Result<Option<Key>, KeyError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.first.is_none() {
            match ready!(this.a.poll(cx)) {
                Ok(Some(key)) => *this.first = Some(key),
                missing => return Poll::Ready(missing),
            }
        }
        let second = ready!(this.b.poll(cx));
        Poll::Ready(second.map(|second| Some(this.first.take()?.and(second?))))
    }
}

impl<A, B> fmt::Debug for AndFuture<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AndFuture").finish_non_exhaustive()
    }
}
