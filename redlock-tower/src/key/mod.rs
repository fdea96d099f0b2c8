//! Which requests exclude each other: the key, taken from the request's head.
//!
//! | built-in | the key is |
//! |---|---|
//! | [`header`] | a request header |
//! | [`query`] | a query parameter |
//! | [`cookie()`] | a cookie |
//! | [`extension`] | what an outer layer (authentication, say) put into the extensions |
//! | [`idempotency_key`] | the `Idempotency-Key` header |
//! | `path`, `matched_path` | a path parameter, the route (feature `axum`) |
//! | [`peer_ip`] | the address of the connection; only where you ask for it |
//! | `from_extractor` | what any axum extractor takes from the head (feature `axum`) |
//! | a closure over [`Parts`], or [`from_fn`] | what it returns: text, a number, a [`Key`], or an `Option` or `Result` of one |
//! | [`from_async`] | what an async closure returns |
//!
//! A key is compared byte for byte: where the handler parses a value, say a number in the path, [`KeyExtractor::parsed`]
//! makes its spellings (`7`, `07`) one key. A cookie is read as the `cookie` crate reads it.
//!
//! [`identity`] and [`public`] state to whom a recorded answer may be given again (feature `replay`).
//! Several are combined with [`KeyExtractor::and`], whose parts cannot run into each other, and [`KeyExtractor::or`].
//! [`KeyExtractor::boxed`] makes them one type. A request that has no key passes
//! without a lock (never under one shared "anonymous" key), or is answered with 400 where the layer says `required()`.
//!
//! ```
//! use redlock_tower::key::{self, KeyExtractor};
//!
//! // one lock for each tenant and user
//! let by_user = key::header("x-tenant").and(key::header("x-user-id"));
//! // a closure: name the argument's type
//! let by_account = |parts: &http::request::Parts| {
//!     parts.uri.path().strip_prefix("/accounts/").map(str::to_owned)
//! };
//! # fn check(_: impl KeyExtractor) {}
//! # check(by_user); check(by_account);
//! ```

mod boxed;
mod combine;
mod cookie;
mod error;
mod extension;
#[cfg(feature = "axum")]
mod from_extractor;
mod function;
mod header;
mod idempotency;
mod or;
mod parsed;
#[cfg(feature = "axum")]
mod path;
mod peer;
mod query;
mod render;
mod scope;
mod single;
mod value;

pub(crate) use self::render::{Namespace, Render};
pub use self::{
    boxed::BoxKeyExtractor,
    combine::{And, AndFuture},
    cookie::{Cookie, cookie},
    error::KeyError,
    extension::{FromExtension, extension},
    function::{FromAsync, FromAsyncFuture, FromFn, from_async, from_fn},
    header::{Header, HeaderNamed, header},
    idempotency::{IdempotencyKey, idempotency_key},
    or::{Or, OrFuture},
    parsed::{Parsed, ParsedFuture},
    peer::{PeerIp, peer_ip},
    query::{Query, query},
    scope::{Identity, Public, Scope, Scoped, Stated, Unstated, identity, public},
    value::{IntoKey, Key},
};
#[cfg(feature = "axum")]
pub use self::{
    from_extractor::{FromExtractor, from_extractor, from_extractor_with_state},
    path::{MatchedPath, Path, matched_path, path},
};
#[cfg(feature = "replay")]
pub(crate) use self::{idempotency::read as idempotency, render::push_hex};

use http::request::Parts;
use std::{fmt::Display, str::FromStr};

/// Takes the lock's key from the head of a request.
///
/// Implemented for the built-ins of [this module](self) and for closures over [`Parts`] that return an
/// `Option<String>`, an `Option<Key>`, or a `Result` of one of these.
pub trait KeyExtractor: Send + Sync + 'static {
    /// [`std::future::Ready`] where nothing has to be waited for.
    type Future: Future<Output = Result<Option<Key>, KeyError>> + Send;

    /// Whether the key says who asks, which a layer that keeps answers has to know. [`Unstated`] in an extractor of your
    /// own; [`identity`] and [`public`] state it.
    type Scope: Scope;

    /// The key of this request, or `None` if it has none.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when the request has something that is no key (400), or when it cannot be told now (503).
    fn extract(&self, parts: &Parts) -> Self::Future;

    /// Both keys together; a request that lacks one of them has no key.
    fn and<B: KeyExtractor>(self, other: B) -> And<Self, B>
    where
        Self: Sized,
    {
        And::new(self, other)
    }

    /// This key, or that of `other` where a request lacks it.
    ///
    /// The two are different keys, even where they have the same value: a request that is known by the one excludes none
    /// that is known by the other, and gets none of its answers. The key of the second has `or2` before it, as in `orders:or2:session=..`; a [`Key::exact`] is as
    /// it is in any place.
    ///
    /// ```
    /// use redlock_tower::key::{self, KeyExtractor};
    ///
    /// let by_user_or_session = key::header("x-user-id").or(key::cookie("session"));
    /// # fn check(_: impl KeyExtractor) {}
    /// # check(by_user_or_session);
    /// ```
    fn or<B: KeyExtractor>(self, other: B) -> Or<Self, B>
    where
        Self: Sized,
    {
        Or::new(self, other)
    }

    /// The key as a `T` reads and writes it, so that all spellings of one value are one key: `7`, `07` and `+7` as a `u64`,
    /// upper and lower case of a UUID. A value that is no `T` is answered with 400.
    ///
    /// Use it where the handler parses the value as well: there two spellings are one thing.
    ///
    /// ```
    /// use redlock_tower::key::{self, KeyExtractor};
    ///
    /// let by_order = key::path("id").parsed::<u64>();
    /// # fn check(_: impl KeyExtractor) {}
    /// # check(by_order);
    /// ```
    fn parsed<T>(self) -> Parsed<Self, T>
    where
        Self: Sized,
        T: FromStr + Display + 'static,
    {
        Parsed::new(self)
    }

    /// The same behind a pointer: for a choice at run time, and for types that have to be named.
    ///
    /// ```
    /// use redlock_tower::key::{self, BoxKeyExtractor, KeyExtractor};
    ///
    /// fn key(behind_a_gateway: bool) -> BoxKeyExtractor {
    ///     if behind_a_gateway { key::header("x-user-id").boxed() } else { key::cookie("session").boxed() }
    /// }
    /// # let _ = key;
    /// ```
    fn boxed(self) -> BoxKeyExtractor<Self::Scope>
    where
        Self: Sized,
        Self::Future: 'static,
    {
        BoxKeyExtractor::new(self)
    }
}
