//! The layer for services whose requests are not HTTP.

use super::{LockOptions, LockService, OnLost};
use redlock::{Redlock, WaiterLimit};
use std::{fmt, sync::Arc, time::Duration};
use tower_layer::Layer;

/// A lock around any tower service, whatever its requests are: queue consumers, RPC of your own.
///
/// The closure's string is the lock's key as it is (build it with [`redlock::key::part`]); a request without one passes.
/// The service's error becomes a [`LockError`](super::LockError). For HTTP use [`RedlockLayer`](crate::RedlockLayer).
///
/// ```
/// use redlock::{Redlock, memory::Cluster};
/// use redlock_tower::LockLayer;
/// use std::time::Duration;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// struct Message { account: u32 }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let redlock = Redlock::connect(Cluster::new(3).nodes()).await?;
/// let consumer = ServiceBuilder::new()
///     .layer(LockLayer::new(redlock, |m: &Message| Some(format!("account:{}", m.account))).wait(Duration::from_secs(2)))
///     .service(service_fn(async |m: Message| Ok::<_, std::io::Error>(m.account)));
/// assert_eq!(consumer.oneshot(Message { account: 7 }).await?, 7);
/// # Ok(())
/// # }
/// ```
pub struct LockLayer<F> {
    options: LockOptions,
    key: Arc<F>,
}

impl<F> LockLayer<F> {
    /// A lock by the key that `key` takes from a request.
    pub fn new<Req>(redlock: Redlock, key: F) -> Self
    where
        F: Fn(&Req) -> Option<String>,
    {
        Self {
            options: LockOptions::new(redlock),
            key: Arc::new(key),
        }
    }

    /// How long the lock outlives a crash of this process; kept alive as long as the request runs.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// How long a request waits for the lock at most.
    #[must_use]
    pub fn wait(mut self, most: Duration) -> Self {
        self.options.wait = Some(most);
        self
    }

    /// A request whose key is held fails at once.
    #[must_use]
    pub fn no_wait(self) -> Self {
        self.wait(Duration::ZERO)
    }

    /// After `Ok` the key stays busy for that long; after `Err` it is free at once.
    #[must_use]
    pub fn dedupe_for(mut self, window: Duration) -> Self {
        self.options.dedupe_for = Some(window).filter(|window| !window.is_zero());
        self
    }

    /// The lock is let go, and counts as lost, after that long.
    #[must_use]
    pub fn max_hold(mut self, most: Duration) -> Self {
        self.options.max_hold = Some(most);
        self
    }

    /// What happens when the lock is lost while a request runs; [`OnLost::Cancel`] unless said.
    #[must_use]
    pub fn on_lost(mut self, on_lost: OnLost) -> Self {
        self.options.on_lost = on_lost;
        self
    }

    /// Without a quorum the request runs all the same, **without the lock**.
    #[must_use]
    pub fn fail_open(mut self) -> Self {
        self.options.fail_open = true;
        self
    }

    /// How many requests may wait for one key (100), and in all (10,000), in this process.
    #[must_use]
    pub fn max_waiters(mut self, per_key: usize, in_all: usize) -> Self {
        self.options.max_waiters = WaiterLimit::new(per_key, in_all);
        self
    }
}

impl<S, F> Layer<S> for LockLayer<F> {
    type Service = LockService<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        LockService::new(inner, Arc::new(self.options.clone()), Arc::clone(&self.key))
    }
}

impl<F> Clone for LockLayer<F> {
    fn clone(&self) -> Self {
        Self {
            options: self.options.clone(),
            key: Arc::clone(&self.key),
        }
    }
}

impl<F> fmt::Debug for LockLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockLayer")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
