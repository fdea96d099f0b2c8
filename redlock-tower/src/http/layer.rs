//! The layer: a lock for each request, by a key of the request.

use super::{RedlockService, policy::Policy};
#[cfg(feature = "replay")]
use crate::key::{And, FingerprintKey};
use crate::{
    body::Reader,
    key::{KeyError, KeyExtractor},
    runner::LockPolicy,
};
use bytes::Bytes;
use http::request::Parts;
use redlock::Redlock;
#[cfg(feature = "replay")]
use std::time::Duration;
use std::{fmt, sync::Arc};
use tower_layer::Layer;

/// Runs requests with the same key one at a time, over all instances of the service.
///
/// A duplicate waits for its turn, is rejected ([`no_wait`](Self::no_wait)), or gets the first response again
/// (`replay`). The [crate page](crate) says where to place the layer, and what each option costs.
///
/// ```
/// use axum::{Router, routing::post};
/// use redlock::{Redlock, memory::Nodes};
/// use redlock_tower::{RedlockLayer, key};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
/// let one_per_user = RedlockLayer::new(redlock, key::header("x-user-id")).no_wait();
/// let app: Router = Router::new()
///     .route("/orders", post(async || "ordered"))
///     .layer(one_per_user);
/// # Ok(())
/// # }
/// ```
pub struct RedlockLayer<K> {
    pub(super) policy: Policy,
    key: Arc<K>,
}

impl<K: KeyExtractor> RedlockLayer<K> {
    /// Locks each request by the key that `key` extracts: an extractor of the module [`key`](crate::key), or a closure
    /// over [`&http::request::Parts`](http::request::Parts).
    pub fn new(redlock: Redlock, key: K) -> Self {
        Self {
            policy: Policy::new(LockPolicy::new(redlock)),
            key: Arc::new(key),
        }
    }

    /// Returns the lock's key for a request with this head, for [`Redlock::holder`] and [`Redlock::force_release`].
    /// Returns `None` if the request has no key. If the key may be in the body, use [`key_with_body`](Self::key_with_body).
    ///
    /// The head must be as this layer sees it, with the extensions of outer layers and of the router, such as the
    /// matched path. [`methods`](Self::methods) is not applied.
    ///
    /// # Errors
    ///
    /// The [`KeyError`] of the extractor.
    ///
    /// # Examples
    ///
    /// ```
    /// use redlock::{Redlock, memory::Nodes};
    /// use redlock_tower::{RedlockLayer, key};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    /// let by_user = key::header("x-user-id");
    /// let layer = RedlockLayer::new(redlock.clone(), by_user).namespace("orders");
    /// let request = http::Request::post("/orders").header("x-user-id", "ann");
    /// let (head, ()) = request.body(())?.into_parts();
    /// let key = layer.key_of(&head).await?.expect("a key");
    /// assert_eq!(key, "orders:x-user-id=ann");
    /// assert!(redlock.holder(key).await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn key_of(&self, head: &Parts) -> Result<Option<String>, KeyError> {
        let key = self.key.extract(head).await.or_else(KeyError::or_no_key)?;
        let key = key.filter(|key| !key.is_empty());
        Ok(key.map(|key| self.policy.render.key(&head.extensions, &head.uri, key)))
    }

    /// As [`key_of`](Self::key_of), for a key that may be in the body. The limit of [`max_body`](Self::max_body) is not
    /// applied.
    ///
    /// # Errors
    ///
    /// The [`KeyError`] of the extractor.
    ///
    /// # Examples
    ///
    /// ```
    /// use redlock::{Redlock, memory::Nodes};
    /// use redlock_tower::{RedlockLayer, key};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    /// let layer = RedlockLayer::new(redlock, key::json("/order/id")).namespace("orders");
    /// let (head, ()) = http::Request::post("/orders").body(())?.into_parts();
    /// let key = layer.key_with_body(&head, r#"{ "order": { "id": 7 } }"#).await?;
    /// assert_eq!(key.as_deref(), Some("orders:/order/id=7"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn key_with_body(
        &self,
        head: &Parts,
        body: impl Into<Bytes>,
    ) -> Result<Option<String>, KeyError> {
        let mut head = head.clone();
        head.extensions.insert(Reader::of(body.into()));
        self.key_of(&head).await
    }
}

impl<S, K> Layer<S> for RedlockLayer<K> {
    type Service = RedlockService<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        RedlockService::new(inner, Arc::clone(&self.key), Arc::new(self.policy.clone()))
    }
}

#[cfg(feature = "replay")]
impl<K> RedlockLayer<K> {
    /// The lock for a replay inside of it: see [`ReplayLayer`](crate::replay::ReplayLayer). With a contradiction, each of its
    /// requests is rejected.
    pub(crate) fn with_replay_inside(mut self, contradiction: Option<redlock::Error>) -> Self {
        self.policy.replay_inside(contradiction);
        self
    }

    pub(crate) fn lock_options(&self) -> &redlock::LockOptions {
        &self.policy.lock.options
    }

    /// The key of one submit: this layer's key, and the fingerprint of the request.
    pub(crate) fn with_fingerprint(
        self,
        fingerprint: FingerprintKey,
    ) -> RedlockLayer<And<Arc<K>, FingerprintKey>>
    where
        K: KeyExtractor,
    {
        RedlockLayer {
            policy: self.policy,
            key: Arc::new(self.key.and(fingerprint)),
        }
    }

    /// Sets the wait, unless the user has set one.
    pub(crate) fn default_wait(&mut self, wait: Duration) -> Duration {
        *self.policy.lock.options.wait.get_or_insert(wait)
    }
}

impl<K> Clone for RedlockLayer<K> {
    fn clone(&self) -> Self {
        Self {
            policy: self.policy.clone(),
            key: Arc::clone(&self.key),
        }
    }
}

impl<K> fmt::Debug for RedlockLayer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedlockLayer")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
