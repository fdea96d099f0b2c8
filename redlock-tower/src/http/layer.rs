//! The layer: a lock by a key of the request.

use super::{Inside, Nothing, Policy, RedlockService, inside::sealed};
use crate::{
    key::{KeyError, KeyExtractor},
    lock::LockOptions,
};
use http::request::Parts;
use redlock::Redlock;
use std::{fmt, sync::Arc, time::Duration};
use tower_layer::Layer;

/// Requests with the same key run one at a time, or the second is refused, on all instances of the service together.
///
/// See the [crate page](crate) for where to place it, and what the options cost.
///
/// ```
/// use axum::{Router, routing::post};
/// use redlock::{Redlock, memory::Cluster};
/// use redlock_tower::{RedlockLayer, key};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let redlock = Redlock::connect(Cluster::new(3).nodes()).await?;
/// let app: Router = Router::new()
///     .route("/orders", post(async || "ordered"))
///     .layer(RedlockLayer::new(redlock, key::header("x-user-id")).no_wait().ttl(Duration::from_secs(10)));
/// # Ok(())
/// # }
/// ```
pub struct RedlockLayer<K, I = Nothing> {
    pub(super) policy: Policy,
    key: Arc<K>,
    inside: I,
}

impl<K: KeyExtractor> RedlockLayer<K> {
    /// A lock by the key that `key` takes from a request: one of [`key`](crate::key)'s, or a closure over
    /// [`&http::request::Parts`](http::request::Parts).
    ///
    /// Unless told otherwise it waits as long as the `redlock` does (10 s), and is kept alive while the handler runs.
    pub fn new(redlock: Redlock, key: K) -> Self {
        Self {
            policy: Policy::new(LockOptions::new(redlock)),
            key: Arc::new(key),
            inside: Nothing,
        }
    }
}

impl<K: KeyExtractor, I> RedlockLayer<K, I> {
    /// The lock's key for a request with this head, as [`Redlock::holder`] and [`Redlock::force_release`] take it; `None`
    /// where the request has no key, and passes.
    ///
    /// The head has to be as this layer sees it: what outer layers and the router put into its extensions, such as the
    /// matched path, belongs to it. The method does not count: see [`methods`](Self::methods).
    ///
    /// # Errors
    ///
    /// [`KeyError`] as the extractor has it.
    ///
    /// ```
    /// use redlock::{Redlock, memory::Cluster};
    /// use redlock_tower::{RedlockLayer, key};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let redlock = Redlock::connect(Cluster::new(3).nodes()).await?;
    /// let layer = RedlockLayer::new(redlock.clone(), key::header("x-user-id")).namespace("orders");
    /// let (head, ()) = http::Request::post("/orders").header("x-user-id", "ann").body(())?.into_parts();
    /// let key = layer.key_of(&head).await?.expect("a key");
    /// assert_eq!(key, "orders:x-user-id=ann");
    /// assert!(redlock.holder(key).await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn key_of(&self, head: &Parts) -> Result<Option<String>, KeyError> {
        let key = self.key.extract(head).await?;
        let key = key.filter(|key| !key.is_empty());
        Ok(key.map(|key| self.policy.render.key(&head.extensions, &head.uri, key)))
    }
}

impl<S, K, I: Inside<S>> Layer<S> for RedlockLayer<K, I> {
    type Service = RedlockService<I::Service, K>;

    fn layer(&self, inner: S) -> Self::Service {
        let mut policy = self.policy.clone();
        policy.records = <I as sealed::Sealed>::RECORDS;
        if policy.records {
            // what is kept is guarded by the token
            policy.lock.fencing = true;
            policy.lock.wait.get_or_insert(Duration::ZERO);
        }
        let policy = Arc::new(sealed::Shared(policy));
        RedlockService::new(
            self.inside.wrap(inner, &policy),
            Arc::clone(&self.key),
            policy,
        )
    }
}

#[cfg(feature = "replay")]
impl<K, I> RedlockLayer<K, I> {
    pub(crate) fn with_inside<J>(self, inside: J) -> RedlockLayer<K, J> {
        RedlockLayer {
            policy: self.policy,
            key: self.key,
            inside,
        }
    }

    pub(crate) fn inside_mut(&mut self) -> &mut I {
        &mut self.inside
    }
}

impl<K, I: Clone> Clone for RedlockLayer<K, I> {
    fn clone(&self) -> Self {
        Self {
            policy: self.policy.clone(),
            key: Arc::clone(&self.key),
            inside: self.inside.clone(),
        }
    }
}

impl<K, I: fmt::Debug> fmt::Debug for RedlockLayer<K, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedlockLayer")
            .field("policy", &self.policy)
            .field("inside", &self.inside)
            .finish_non_exhaustive()
    }
}
