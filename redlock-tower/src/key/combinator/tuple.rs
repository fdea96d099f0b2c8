//! Several keys combined into one, written as a tuple.

use super::{And, AndFuture};
use crate::key::{KeyExtractor, Reads, Scope};
use http::request::Parts;

/// Both keys together, as with [`KeyExtractor::and`].
impl<A: KeyExtractor, B: KeyExtractor> KeyExtractor for (A, B) {
    type Future = AndFuture<A::Future, B::Future>;
    type Scope = <And<A, B> as KeyExtractor>::Scope;
    type Reads = <And<A, B> as KeyExtractor>::Reads;

    fn extract(&self, parts: &Parts) -> Self::Future {
        AndFuture::new(self.0.extract(parts), self.1.extract(parts))
    }
}

/// All keys together, as with [`KeyExtractor::and`].
impl<A: KeyExtractor, B: KeyExtractor, C: KeyExtractor> KeyExtractor for (A, B, C) {
    type Future = AndFuture<AndFuture<A::Future, B::Future>, C::Future>;
    type Scope = <<And<A, B> as KeyExtractor>::Scope as Scope>::And<C::Scope>;
    type Reads = <<And<A, B> as KeyExtractor>::Reads as Reads>::And<C::Reads>;

    fn extract(&self, parts: &Parts) -> Self::Future {
        let (a, b, c) = self;
        let both = AndFuture::new(a.extract(parts), b.extract(parts));
        AndFuture::new(both, c.extract(parts))
    }
}
