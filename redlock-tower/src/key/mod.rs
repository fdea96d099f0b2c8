//! Extractors of the key, which decides which requests exclude each other.
//!
//! | extractor | the key is |
//! |---|---|
//! | [`header`] | a request header |
//! | [`query`] | a query parameter |
//! | [`cookie()`] | a cookie |
//! | [`extension`] | an extension of the request, for example the authenticated user |
//! | [`idempotency_key`] | the `Idempotency-Key` header |
//! | `path`, `matched_path` | a path parameter, the route (feature `axum`) |
//! | [`peer_ip`] | the IP address of the connection |
//! | [`client_ip`] | the client's IP address behind trusted proxies |
//! | [`form`], [`json`] | a field of a form, a value of a JSON document |
//! | [`fingerprint`] | a hash of the whole request |
//! | [`from_body`] | what a closure over the head and the body returns |
//! | `from_extractor` | the value of an axum extractor (feature `axum`) |
//! | a closure over [`Parts`], or [`from_fn`] | what it returns: a string, a number, a [`Key`], or an `Option` or `Result` of these |
//! | [`from_async`] | what an async closure returns |
//!
//! [`KeyExtractor::and`] and [`KeyExtractor::or`] combine extractors, a tuple is another way to write `and`, and
//! [`KeyExtractor::boxed`] erases their types.
//! [`identity`] and [`public`] state who may get a recorded response (feature `replay`).
//!
//! Keys are compared byte for byte. If the handler parses a value, such as a number in the path,
//! [`KeyExtractor::parsed`] makes all its spellings (`7`, `07`) one key.
//!
//! The body is read ahead only if the key is in it: with `key::header(..).or(key::form(..))` not for a request with the
//! header. It is read up to the limit of [`max_body`](crate::RedlockLayer::max_body), before the lock is acquired, and passed on
//! to the handler with its trailers.
//!
//! A request without a key runs without a lock, or is rejected with 400 if the layer is
//! [`required`](crate::RedlockLayer::required). Such requests never share one "anonymous" lock.
//!
//! ```
//! use redlock_tower::key::{self, KeyExtractor};
//!
//! // One lock for each tenant and user.
//! let by_user = key::header("x-tenant").and(key::header("x-user-id"));
//! // The argument of a closure needs its type.
//! let by_account = |parts: &http::request::Parts| {
//!     parts.uri.path().strip_prefix("/accounts/").map(str::to_owned)
//! };
//! # fn check(_: impl KeyExtractor) {}
//! # check(by_user); check(by_account);
//! ```

mod body;
mod combinator;
mod error;
mod function;
mod render;
mod scope;
mod source;
mod value;

pub(crate) use self::render::{Namespace, Render, push_hex};
#[cfg(feature = "replay")]
pub(crate) use self::source::idempotency;
#[cfg(feature = "axum")]
pub use self::source::{
    FromExtractor, MatchedPath, Path, from_extractor, from_extractor_with_state, matched_path, path,
};
pub use self::{
    body::{FingerprintKey, Form, FromBody, Json, fingerprint, form, from_body, json, read_body},
    combinator::{And, AndFuture, BoxKeyExtractor, Or, OrFuture, Parsed, ParsedFuture},
    error::KeyError,
    function::{FromAsync, FromAsyncFuture, FromFn, from_async, from_fn},
    scope::{Identity, Public, Scope, Scoped, Stated, Unstated, identity, public},
    source::{
        ClientIp, Cookie, FromExtension, Header, HeaderNamed, IdempotencyKey, PeerIp, Query,
        client_ip, cookie, extension, header, idempotency_key, peer_ip, query,
    },
    value::{IntoKey, Key},
};
pub use crate::body::{HeadOnly, ReadBody, Reads, WithBody};

use http::request::Parts;
use std::{fmt::Display, str::FromStr};

/// Extracts the lock's key from a request.
///
/// Implemented by the extractors of [this module](self), and by closures over [`Parts`] whose output is an [`IntoKey`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` extracts no key from a request",
    label = "not a key extractor",
    note = "use one of `redlock_tower::key`, as in `key::header(\"x-user-id\")`, or a closure \
            `|parts: &http::request::Parts| -> Option<String>`"
)]
pub trait KeyExtractor: Send + Sync + 'static {
    /// [`std::future::Ready`] if the extractor does not wait for anything.
    type Future: Future<Output = Result<Option<Key>, KeyError>> + Send;

    /// Whether the key names the caller, which a replay requires. Use [`Unstated`] in your own extractors; [`identity`] and
    /// [`public`] state it.
    type Scope: Scope;

    /// Whether the key may be in the body, which the layer then has to read ahead: [`HeadOnly`] or [`WithBody`].
    type Reads: Reads;

    /// Returns the key of the request, or `None` if it has none. An extractor [`WithBody`] gets the body by
    /// [`read_body`].
    ///
    /// # Errors
    ///
    /// A [`KeyError`] if the key is invalid (400), or cannot be determined now (503).
    fn extract(&self, parts: &Parts) -> Self::Future;

    /// Combines both keys. A request that lacks one of them has no key.
    fn and<B: KeyExtractor>(self, other: B) -> And<Self, B>
    where
        Self: Sized,
    {
        And::new(self, other)
    }

    /// Uses this key, or that of `other` if a request lacks it.
    ///
    /// The two are always different keys, even with equal values: requests with the one neither exclude those with the
    /// other, nor get their recorded responses. The second one is written with `or2`, as in `orders:or2:session=..`. A
    /// [`Key::exact`] is not changed.
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

    /// Parses and formats the key as a `T`, so that all spellings of a value are one key: `7`, `07` and `+7` as a `u64`,
    /// upper and lower case of a UUID. A value that does not parse is rejected with 400.
    ///
    /// Use it if the handler parses the value too.
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

    /// Erases the type of the extractor, to choose one at run time, or to name its type.
    ///
    /// ```
    /// use redlock_tower::key::{self, BoxKeyExtractor, KeyExtractor};
    ///
    /// fn key(behind_a_gateway: bool) -> BoxKeyExtractor {
    ///     match behind_a_gateway {
    ///         true => key::header("x-user-id").boxed(),
    ///         false => key::cookie("session").boxed(),
    ///     }
    /// }
    /// # let _ = key;
    /// ```
    fn boxed(self) -> BoxKeyExtractor<Self::Scope, Self::Reads>
    where
        Self: Sized,
        Self::Future: 'static,
    {
        BoxKeyExtractor::new(self)
    }
}
