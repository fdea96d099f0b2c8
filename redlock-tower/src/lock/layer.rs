//! The layer for services whose requests are not HTTP, and its options.

use super::LockService;
use crate::runner::{LockPolicy, OnLost};
use redlock::{Redlock, WaiterLimit};
use std::{fmt, sync::Arc, time::Duration};
use tower_layer::Layer;

/// Runs requests with the same key one at a time, around any tower service: a queue consumer, or your own RPC.
///
/// The closure returns the lock's key as it is; build it with [`redlock::key::part`]. A request without a key runs
/// without a lock. Errors of the service are wrapped in a [`LockError`](super::LockError). Use
/// [`RedlockLayer`](crate::RedlockLayer) for HTTP.
///
/// The service and the functions that it calls get their lock from [`redlock::current`]: the fencing token for the store that
/// they write to, and whether the lock is lost.
///
/// ```
/// use redlock::{Redlock, memory::Nodes};
/// use redlock_tower::LockLayer;
/// use std::time::Duration;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// struct Message { account: u32 }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
/// let by_account = |m: &Message| Some(format!("account:{}", m.account));
/// let consumer = ServiceBuilder::new()
///     .layer(LockLayer::new(redlock, by_account).wait(Duration::from_secs(2)))
///     .service(service_fn(async |m: Message| {
///         let lock = redlock::assert_held(&format!("account:{}", m.account));
///         println!("writing with token {}", lock.token());
///         Ok::<_, std::io::Error>(m.account)
///     }));
/// assert_eq!(consumer.oneshot(Message { account: 7 }).await?, 7);
/// # Ok(())
/// # }
/// ```
pub struct LockLayer<F> {
    policy: LockPolicy,
    key: Arc<F>,
}

impl<F> LockLayer<F> {
    /// Locks each request by the key that `key` returns for it.
    pub fn new<Req>(redlock: Redlock, key: F) -> Self
    where
        F: Fn(&Req) -> Option<String>,
    {
        Self {
            policy: LockPolicy::new(redlock),
            key: Arc::new(key),
        }
    }

    /// How long the lock outlives a crash of this process. It is renewed while the request runs. Default: that of the
    /// [`Redlock`], 10 s.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.policy.options.ttl = Some(ttl);
        self
    }

    /// How long a request waits for the lock. Default: that of the [`Redlock`], 10 s.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.policy.options.wait = Some(wait);
        self
    }

    /// Fails a request at once if its key is held.
    #[must_use]
    pub fn no_wait(self) -> Self {
        self.wait(Duration::ZERO)
    }

    /// Whether the lock is renewed while the request runs. Off, the lock is lost when its ttl is over. Default: on.
    #[must_use]
    pub fn keep_alive(mut self, on: bool) -> Self {
        self.policy.options.keep_alive = on;
        self
    }

    /// Ends the lock after this time, as if it were lost: see [`on_lost`](Self::on_lost). Default: no limit.
    #[must_use]
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.policy.options.max_hold = Some(max_hold);
        self
    }

    /// Keeps the key busy for at least this time from the grant, however the request ends. Default: 0.
    #[must_use]
    pub fn at_least(mut self, at_least: Duration) -> Self {
        self.policy.options.at_least = Some(at_least);
        self
    }

    /// Keeps the key busy for this long after `Ok`. After `Err` the key is free at once. Default: 0.
    #[must_use]
    pub fn dedupe_for(mut self, window: Duration) -> Self {
        self.policy.dedupe_for(window);
        self
    }

    /// Whether a request joins the lock if its task already holds the same key. Off, that is an error. Default: off.
    #[must_use]
    pub fn reentrant(mut self, on: bool) -> Self {
        self.policy.options.reentrant = on;
        self
    }

    /// Limits how many requests of this process may wait for one key, and in total. Default: 100 and 10,000.
    #[must_use]
    pub fn max_waiters(mut self, limit: &WaiterLimit) -> Self {
        self.policy.options.max_waiters = Some(limit.clone());
        self
    }

    /// How many requests with the same key may run at the same time, over all processes: see
    /// [`Redlock::semaphore`](redlock::Redlock::semaphore). Combined with [`dedupe_for`](Self::dedupe_for) or
    /// [`reentrant`](Self::reentrant), every request fails. Default: one, under an exclusive lock.
    #[must_use]
    pub fn permits(mut self, permits: u32) -> Self {
        self.policy.options.permits = Some(permits);
        self
    }

    /// Requests with the same key may run at the same time, over all processes, while none of them [`write`](Self::write)s: see
    /// [`Redlock::rwlock`](redlock::Redlock::rwlock). Combined with [`dedupe_for`](Self::dedupe_for) or
    /// [`permits`](Self::permits), every request fails. Default: an exclusive lock, which is independent of the read/write
    /// lock of the same key.
    #[must_use]
    pub fn read(mut self) -> Self {
        self.policy.options.read = true;
        self
    }

    /// A request runs alone: no other request [`read`](Self::read)s or writes the same key meanwhile. See
    /// [`Redlock::rwlock`](redlock::Redlock::rwlock). Combined with [`permits`](Self::permits), every request fails.
    #[must_use]
    pub fn write(mut self) -> Self {
        self.policy.options.write = true;
        self
    }

    /// Whether the newest request with a key supersedes the older ones, which fail with
    /// [`LockError::Superseded`](crate::LockError::Superseded): see
    /// [`LockRequest::newest_wins`](redlock::LockRequest::newest_wins), which also says what it cannot be combined with.
    /// Default: off.
    #[must_use]
    pub fn newest_wins(mut self, on: bool) -> Self {
        self.policy.options.newest_wins = on;
        self
    }

    /// What happens when the lock is lost while a request runs. Default: [`OnLost::Cancel`].
    #[must_use]
    pub fn on_lost(mut self, on_lost: OnLost) -> Self {
        self.policy.on_lost = on_lost;
        self
    }

    /// Runs requests **without the lock** while no quorum of nodes answers. Default: they fail.
    #[must_use]
    pub fn fail_open(mut self) -> Self {
        self.policy.fail_open();
        self
    }
}

impl<S, F> Layer<S> for LockLayer<F> {
    type Service = LockService<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        LockService::new(inner, Arc::new(self.policy.clone()), Arc::clone(&self.key))
    }
}

impl<F> Clone for LockLayer<F> {
    fn clone(&self) -> Self {
        Self {
            policy: self.policy.clone(),
            key: Arc::clone(&self.key),
        }
    }
}

impl<F> fmt::Debug for LockLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockLayer")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
