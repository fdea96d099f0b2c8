//! Whether a key names the caller, stated in the type of the key.
//!
//! A recorded response may be replayed only to the client that got it first. No extractor knows whether its value names a
//! client: a header can hold a user or a cart, an extension a user or a tenant. So the program has to state it.

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
/// A replay requires this for one part of its key, because a recorded response goes to whoever sends the same key again.
///
/// Suitable: what the authentication has established, such as an extension that it inserted, or a header that a gateway sets
/// and strips from the requests of clients. Unsuitable: a path or query parameter, the name of a cart, tenant or device, an
/// `Idempotency-Key`, the address of the peer, and a session cookie that does not change when another user logs in.
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
/// A replay whose key has no identity does not compile:
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

/// States that any client may get the recorded response of any other client with the same key.
///
/// For services without users, or whose responses contain nothing private. The key is often an
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
    type Reads = K::Reads;

    fn extract(&self, parts: &Parts) -> Self::Future {
        self.0.extract(parts)
    }
}

impl<K: KeyExtractor> KeyExtractor for Public<K> {
    type Future = K::Future;
    type Scope = Stated;
    type Reads = K::Reads;

    fn extract(&self, parts: &Parts) -> Self::Future {
        self.0.extract(parts)
    }
}

/// Whether an extractor states who may get a recorded response: [`Stated`] or [`Unstated`]. Sealed.
pub trait Scope: sealed::Sealed {
    /// The scope of a key with two parts: it is enough that one states it.
    type And<S: Scope>: Scope;
    /// The scope of a key with an alternative: both have to state it.
    type Or<S: Scope>: Scope;
}

/// The key contains an [`identity`], or is [`public`].
#[derive(Clone, Copy, Debug)]
pub enum Stated {}

/// The key does not state whether it names the caller.
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

/// The scope that a replay requires: [`Stated`].
#[diagnostic::on_unimplemented(
    message = "the key of this layer does not name the caller",
    label = "the recorded response of one client could be sent to another one",
    note = "state which part of the key names the authenticated caller, as in \
            `key::identity(key::header(\"x-user-id\")).and(key::idempotency_key())`",
    note = "or state with `key::public(..)` that every client may get the responses of all others"
)]
pub trait Scoped: Scope {}

impl Scoped for Stated {}

#[allow(unnameable_types)]
mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Stated {}
    impl Sealed for super::Unstated {}
}
