//! Several locks, all or none.

use std::{future::IntoFuture, panic::resume_unwind, pin::Pin, sync::Arc, time::Duration};

use futures_util::future::{join_all, select_all};

use crate::{
    acquire::engine::Engine,
    core::in_runtime,
    env::unwind::caught,
    error::{Error, Result},
    events::lock as events,
    lock::{
        guard::Guard, held::Held, options::LockOptions, reentrancy::ScopeOfAll,
        request::LockRequest,
    },
};

/// A request for several locks, all or none. Made by [`Redlock::lock_all`](crate::Redlock::lock_all), for exclusive locks, and
/// [`and`](Self::and) adds others.
///
/// The locks are requested one after the other, by their keys, and those with the same key by their kinds. This order is the
/// same for everybody, so requests for common locks do not wait for each other in a circle.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is awaited"]
pub struct LockAllRequest {
    engine: Arc<Engine>,
    /// In their order.
    requests: Vec<LockRequest>,
    options: LockOptions,
}

impl LockAllRequest {
    pub(crate) fn new(engine: &Arc<Engine>, keys: Vec<String>) -> Self {
        let keys = keys.into_iter();
        let mut request = Self {
            engine: Arc::clone(engine),
            requests: keys.map(|key| LockRequest::new(engine, key)).collect(),
            options: LockOptions::default(),
        };
        request.sort();
        request
    }

    /// Adds a lock of any kind: a side of a [read/write lock](crate::Redlock::rwlock), a permit of a
    /// [semaphore](crate::Redlock::semaphore), or an exclusive lock with options of its own. Its
    /// [`wait`](LockRequest::wait) is replaced by the one for all together.
    ///
    /// Awaiting the request fails with [`is_invalid`](Error::is_invalid) if `request` is of another client, if both sides of a
    /// read/write lock are requested, for a second permit of a semaphore, and for a request with
    /// [`newest_wins`](LockRequest::newest_wins).
    ///
    /// # Examples
    /// ```
    /// # use redlock::{Redlock, memory::Nodes};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
    /// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    /// let import = redlock
    ///     .lock_all(["account:ada", "account:bob"])
    ///     .and(redlock.rwlock("catalog").read())
    ///     .and(redlock.semaphore("imports", 5).acquire());
    /// let guards = import.await?;
    /// assert_eq!(guards.iter().count(), 4);
    /// guards.release().await
    /// # }
    /// ```
    pub fn and(mut self, request: LockRequest) -> Self {
        self.requests.push(request);
        self.sort();
        self
    }

    fn sort(&mut self) {
        // The sort is stable: of several requests for the same lock, the first one counts.
        self.requests.sort_by(|a, b| a.order().cmp(&b.order()));
        // A second permit is an error, see `check`.
        self.requests
            .dedup_by(|later, first| later.is_same_lock(first) && !first.is_for_permit());
    }

    /// The ttl of each lock that has none of its own, as [`LockRequest::ttl`](crate::LockRequest::ttl).
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// How long to wait at most, for all together.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = Some(wait);
        self
    }

    /// Ends each lock that has no limit of its own this long after it was granted. See
    /// [`LockRequest::max_hold`](crate::LockRequest::max_hold).
    pub fn max_hold(mut self, most: Duration) -> Self {
        self.options.max_hold = Some(most);
        self
    }

    /// Acquires all of the locks, runs `body` under them, and releases them, as [`LockRequest::run`] does with one.
    ///
    /// The body gets the held locks in the order of their keys. When one of them is lost, the body is dropped first, and
    /// all are released after that.
    ///
    /// # Errors
    /// As awaiting the request; [`is_lost`](Error::is_lost) when one of the locks was lost before the body finished.
    ///
    /// # Cancel safety
    /// Dropping the future drops the body and releases all in the background.
    ///
    /// # Examples
    /// ```
    /// # use redlock::{Redlock, memory::Nodes};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
    /// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    /// let accounts = redlock.lock_all(["account:ada", "account:bob"]);
    /// let moved = accounts.run(async |held| held.iter().all(|account| !account.is_lost())).await?;
    /// # assert!(moved); Ok(()) }
    /// ```
    pub async fn run<F, T>(self, body: F) -> Result<T>
    where
        F: AsyncFnOnce(Vec<Held>) -> T,
    {
        let guards = self.await?;
        let held = guards.iter().map(Guard::held).collect();
        guards.run(body(held)).await
    }

    async fn acquire(self) -> Result<Guards> {
        if self.requests.is_empty() {
            return Err(Error::invalid_key(
                "",
                "lock_all was given no keys: give one or more",
            ));
        }
        self.check()?;
        // Dropped last.
        let _acquiring = self.engine.core.acquiring.begin();
        let wait = self.options.wait(&self.engine.core);
        let clock = &self.engine.core.nodes.clock;
        let begun = clock.now();
        loop {
            let left = || wait.saturating_sub(clock.now().saturating_since(begun));
            let guards = self.take_all(left).await;
            let guards = guards.map_err(|error| error.after_wait(wait))?;
            match guards.0.iter().find(|guard| guard.is_lost()) {
                None => return Ok(guards.used()),
                Some(lost) if left().is_zero() => {
                    return Err(Error::lost(
                        lost.key(),
                        "it was lost while others of the same request were waited for",
                    ));
                }
                // Released, and requested again, since there is time left.
                Some(_) => {}
            }
        }
    }

    /// A lock that this request can never have is an error before another one is waited for.
    fn check(&self) -> Result<()> {
        for request in &self.requests {
            if !request.is_of(&self.engine) {
                return Err(Error::invalid_config(
                    "`and` was given a request of another client, whose locks have no common order with those of this one: make all \
                     requests with one client",
                ));
            }
            request.check_newest_alone()?;
            request.check_not_held()?;
        }
        for (index, request) in self.requests.iter().enumerate() {
            let later = self.requests[index + 1..].iter();
            for other in later.take_while(|other| other.has_key_of(request)) {
                request.check_beside(other)?;
            }
        }
        Ok(())
    }

    async fn take_all(&self, left: impl Fn() -> Duration) -> Result<Unused> {
        let mut guards = Unused(Vec::with_capacity(self.requests.len()));
        for request in &self.requests {
            // The first locks are renewed while the request waits for the others.
            let request = request.clone().within_all(&self.options, left());
            // On an error, the guards so far are dropped, which releases them.
            guards.0.push(request.await?);
        }
        Ok(guards)
    }
}

impl IntoFuture for LockAllRequest {
    type Output = Result<Guards>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Guards>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.acquire())
    }
}

/// Locks under which nothing was done yet. Dropped: they are released without the rest of their `at_least`.
struct Unused(Vec<Guard>);

impl Unused {
    fn used(mut self) -> Guards {
        Guards {
            guards: std::mem::take(&mut self.0),
        }
    }
}

impl Drop for Unused {
    fn drop(&mut self) {
        self.0.drain(..).for_each(Guard::give_back);
    }
}

/// Several held locks, renewed until they are released. When they are dropped, all are released in
/// the background.
#[derive(Debug)]
#[must_use = "guards that are dropped release their locks at once"]
pub struct Guards {
    pub(super) guards: Vec<Guard>,
}

impl Guards {
    /// The guards, in the order of their keys.
    pub fn iter(&self) -> std::slice::Iter<'_, Guard> {
        self.guards.iter()
    }

    /// The guard of `key`, with its namespace. Of several kinds of lock with this key, the first one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Guard> {
        self.guards.iter().find(|guard| guard.key() == key)
    }

    /// How much longer all of the locks are valid unless one is extended.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.guards
            .iter()
            .map(Guard::remaining)
            .min()
            .unwrap_or_default()
    }

    /// Whether any of the locks was lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.guards.iter().any(Guard::is_lost)
    }

    /// Runs `body` under all of the locks and releases them, as [`Guard::run`] does with one.
    ///
    /// When one of them is lost, the body is dropped first, and all are released after that.
    ///
    /// # Errors
    /// [`is_lost`](Error::is_lost) when one of the locks was lost before the body finished.
    ///
    /// # Panics
    /// When the body panics, once the locks have been released.
    ///
    /// # Cancel safety
    /// Dropping the future drops the body and releases all in the background.
    pub async fn run<F: Future>(self, body: F) -> Result<F::Output> {
        in_runtime()?;
        if let Some(lost) = self.guards.iter().find(|guard| !guard.hold().is_open()) {
            return Err(lost.hold().lost_error());
        }
        let lost = select_all(self.guards.iter().map(Guard::lost));
        let scope = ScopeOfAll::new(self.guards.iter().map(Guard::hold), body);
        let outcome = tokio::select! {
            biased;
            // Polled first: after a stall the body must not continue without one of its locks.
            ((), lost, _) = lost => Err(lost),
            outcome = caught(scope) => Ok(outcome),
        };
        match outcome {
            Ok(Ok(value)) => {
                self.release_finished().await;
                Ok(value)
            }
            Ok(Err(panic)) => {
                join_all(self.guards.into_iter().map(Guard::end_badly)).await;
                resume_unwind(panic)
            }
            Err(lost) => {
                let error = self.guards[lost].hold().lost_error();
                join_all(self.guards.into_iter().map(Guard::end_badly)).await;
                Err(error)
            }
        }
    }

    /// Releases all. The body has finished, so a failed release is only reported. It is repeated in
    /// the background.
    async fn release_finished(self) {
        let release = |guard: Guard| async move {
            let key = Arc::clone(guard.hold().lease().key());
            if let Err(error) = guard.release().await
                && !error.is_of_lost_lock()
            {
                events::release_failed(&key, &error);
            }
        };
        join_all(self.guards.into_iter().map(release)).await;
    }

    /// Releases all, and waits for a majority of the nodes to confirm each.
    ///
    /// # Errors
    /// The first error, as [`Guard::release`]. The other locks are released anyway.
    pub async fn release(self) -> Result<()> {
        let releases = self.guards.into_iter().map(Guard::release);
        let outcomes = join_all(releases).await;
        outcomes.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Guards {
    type Item = &'a Guard;
    type IntoIter = std::slice::Iter<'a, Guard>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
