//! Whether a key says who asks: what decides to whom a recorded answer may be given again.
//!
//! A lock needs to know only which requests exclude each other. A recorded answer may be given again only to the client
//! that got it first, and no extractor knows by itself whether it names a client: a header can hold a user or a cart, and
//! an extension a user or a tenant. So the program says it, in the type of the key.

use super::KeyExtractor;
use http::request::Parts;

/// The key names the authenticated caller: see [`identity`].
#[derive(Clone, Copy, Debug)]
pub struct Identity<K>(K);

/// The key may be shared by all clients: see [`public`].
#[derive(Clone, Copy, Debug)]
pub struct Public<K>(K);

/// States that `key` names the caller, and that the caller cannot choose it.
///
/// [`RedlockLayer::replay`](crate::RedlockLayer) needs this of at least one part of its key, since a recorded answer goes
/// to whoever sends the same key again. Fit for it is what the authentication says: an extension that it inserted, or a
/// header that the gateway sets and strips from what clients send. Not fit are a path or query parameter, a name of a
/// cart, tenant or device, an `Idempotency-Key`, the peer's address, and a session cookie that stays the same when another
/// user logs in.
///
/// ```
/// use redlock_tower::key::{self, KeyExtractor};
///
/// #[derive(Clone)]
/// struct User { id: u64 }
///
/// let by_user = key::identity(key::extension(|user: &User| Some(user.id.to_string())));
/// let per_submit = key::identity(key::header("x-user-id")).and(key::idempotency_key());
/// # fn check(_: impl KeyExtractor<Scope = key::Stated>) {}
/// # check(by_user); check(per_submit);
/// ```
///
/// A key without one, such as a path or an `Idempotency-Key` alone, does not compile there:
///
#[cfg_attr(feature = "replay", doc = "```compile_fail,E0277")]
#[cfg_attr(not(feature = "replay"), doc = "```ignore")]
/// # use redlock_tower::{RedlockLayer, key, replay::MemoryStore};
/// # fn layer(redlock: redlock::Redlock, day: std::time::Duration) {
/// let _ = RedlockLayer::new(redlock, key::idempotency_key()).replay(MemoryStore::new(), day);
/// # }
/// ```
#[must_use]
pub fn identity<K: KeyExtractor>(key: K) -> Identity<K> {
    Identity(key)
}

/// States that every client may see what any other was answered under the same key.
///
/// For services without users, or with answers that hold nothing of anybody's. The key is often an
/// [`idempotency_key`](super::idempotency_key), which any client can guess or repeat.
///
/// ```
/// use redlock_tower::key;
///
/// let per_submit = key::public(key::idempotency_key());
/// # fn check(_: impl key::KeyExtractor<Scope = key::Stated>) {}
/// # check(per_submit);
/// ```
#[must_use]
pub fn public<K: KeyExtractor>(key: K) -> Public<K> {
    Public(key)
}

impl<K: KeyExtractor> KeyExtractor for Identity<K> {
    type Future = K::Future;
    type Scope = Stated;

    fn extract(&self, parts: &Parts) -> Self::Future {
        self.0.extract(parts)
    }
}

impl<K: KeyExtractor> KeyExtractor for Public<K> {
    type Future = K::Future;
    type Scope = Stated;

    fn extract(&self, parts: &Parts) -> Self::Future {
        self.0.extract(parts)
    }
}

/// Whether an extractor states to whom a recorded answer may be given: [`Stated`] or [`Unstated`]. Sealed.
pub trait Scope: sealed::Sealed {
    /// The scope of a key of two parts: one that states it is enough.
    type And<S: Scope>: Scope;
    /// The scope of a key that is one of two: both have to state it.
    type Or<S: Scope>: Scope;
}

/// The key is an [`identity`], has one as a part, or is [`public`].
#[derive(Clone, Copy, Debug)]
pub enum Stated {}

/// The key says which requests exclude each other, and not who asks.
#[derive(Clone, Copy, Debug)]
pub enum Unstated {}

impl Scope for Stated {
    type And<S: Scope> = Self;
    type Or<S: Scope> = S;
}

impl Scope for Unstated {
    type And<S: Scope> = S;
    type Or<S: Scope> = Self;
}

/// What a layer that keeps answers asks of its key: [`Stated`].
#[diagnostic::on_unimplemented(
    message = "the key of this layer does not say who asks",
    label = "a recorded answer of one client could be given to another one",
    note = "state which part of the key names the authenticated caller, as in \
            `key::identity(key::header(\"x-user-id\")).and(key::idempotency_key())`",
    note = "or state with `key::public(..)` that every client may see the answers of all others"
)]
pub trait Scoped: Scope {}

impl Scoped for Stated {}

#[allow(unnameable_types)]
mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Stated {}
    impl Sealed for super::Unstated {}
}
