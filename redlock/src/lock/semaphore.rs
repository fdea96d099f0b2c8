//! Semaphores: a number of permits, each an exclusive lock of its own.

use std::{future::IntoFuture, pin::Pin, sync::Arc, time::Duration};

use crate::{
    acquire::{available_permits, engine::Engine},
    error::{Error, Result},
    inspect::{self, PermitHolder},
    lock::{
        guard::Guard, held::Held, options::LockOptions, reentrancy, request::LockRequest,
        several::Guards,
    },
    quorum::backoff::{self, Refusal, WakeUp},
};

/// A semaphore over all processes, which limits how many hold a permit at the same time. Created by
/// [`Redlock::semaphore`](crate::Redlock::semaphore).
///
/// Each permit is an exclusive lock with its own key and has the guarantees of a lock: a [`Guard`] holds it, it is renewed, and
/// its holder learns when it is lost. Its [token](Guard::token) is larger than those of all earlier holders of *the same
/// permit*. Tokens of different permits cannot be compared.
///
/// All clients must use the same number of permits. The nodes remember it for [`max_ttl`](crate::Builder::max_ttl) after the
/// last request. A client with a different number fails with [`ErrorKind::OtherPermits`](crate::ErrorKind::OtherPermits) as soon
/// as a majority of the nodes knows the first one. To change the number, stop the clients with the old one and wait for
/// `max_ttl`.
///
/// A semaphore is independent of the lock with the same key.
///
/// # Examples
/// ```
/// # use redlock::{Redlock, memory::Nodes};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
/// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
/// let exports = redlock.semaphore("export", 2);
/// let first = exports.acquire().await?;
/// let second = exports.acquire().await?;
/// assert!(exports.try_acquire().await?.is_none());
/// first.release().await?;
/// exports.acquire().run(async |held| assert!(!held.is_lost())).await?;
/// # second.release().await }
/// ```
#[derive(Clone, Debug)]
pub struct Semaphore {
    engine: Arc<Engine>,
    name: String,
    permits: u32,
}

impl Semaphore {
    pub(crate) fn new(engine: &Arc<Engine>, name: String, permits: u32) -> Self {
        Self {
            engine: Arc::clone(engine),
            name,
            permits,
        }
    }

    /// A request for one permit, with the options of a lock: await it for a [`Guard`], or [`run`](LockRequest::run)
    /// something under the permit.
    ///
    /// Within a process, requests wait in a queue. A permit is handed over in the queue without a round trip, for up to 100 ms.
    /// After that, a release notifies the process that has waited longest. [`reentrant`](LockRequest::reentrant) is an error. A
    /// task that runs under a permit and requests a second one may get it. If it runs under all of them, it fails with
    /// [`is_already_held`](Error::is_already_held) instead of waiting for itself.
    ///
    /// # Errors
    /// Those of a [`LockRequest`]. [`is_invalid`](Error::is_invalid) is also true if the semaphore has no permits or more than
    /// 1,000, and if other clients use a different number.
    pub fn acquire(&self) -> LockRequest {
        LockRequest::new(&self.engine, self.name.clone()).permits(self.permits)
    }

    /// Tries once, without waiting. Returns `None` if no permit is free on a majority of the nodes, or if other requests of
    /// this process are waiting.
    ///
    /// # Errors
    /// Those of [`acquire`](Self::acquire), except for busy.
    ///
    /// # Cancel safety
    /// That of a [`LockRequest`].
    pub async fn try_acquire(&self) -> Result<Option<Guard>> {
        match self.acquire().no_wait().await {
            Ok(permit) => Ok(Some(permit)),
            Err(error) if error.is_busy() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A request for `count` permits, all or none.
    ///
    /// It never holds some permits while it waits for others, so two such requests cannot deadlock. The downside: while requests
    /// for single permits keep all of them busy, it may wait until its `wait` is over.
    pub fn acquire_many(&self, count: u32) -> AcquireMany {
        AcquireMany {
            semaphore: self.clone(),
            count,
            options: LockOptions::default(),
        }
    }

    /// The number of permits that are free on a majority of the nodes. It may be outdated when it arrives, so use it for
    /// monitoring only.
    ///
    /// # Errors
    /// [`is_no_quorum`](Error::is_no_quorum) if too few nodes answered; [`is_closed`](Error::is_closed);
    /// [`is_invalid`](Error::is_invalid) in the cases of [`acquire`](Self::acquire).
    pub async fn available(&self) -> Result<u32> {
        let permits = self.checked()?;
        available_permits(&self.engine, &self.name, permits).await
    }

    /// Who holds which permit on a majority of the nodes, and for how long. A permit that is missing in the list is free.
    ///
    /// The answer may be outdated when it arrives. Use it for display, not for decisions.
    ///
    /// # Errors
    /// Those of [`available`](Self::available).
    ///
    /// # Examples
    /// ```
    /// # use redlock::{Redlock, memory::Nodes};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
    /// let nodes = Nodes::new(3).nodes();
    /// let redlock = Redlock::builder().nodes(nodes).label("api-7").connect().await?;
    /// let exports = redlock.semaphore("export", 4);
    /// let _permit = exports.acquire().await?;
    /// for held in exports.holders().await? {
    ///     let by = held.holder.label().unwrap_or("somebody");
    ///     let left = held.holder.remaining;
    ///     println!("permit {} is held by {by} for {left:?} at most", held.permit);
    /// #   assert_eq!(by, "api-7");
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn holders(&self) -> Result<Vec<PermitHolder>> {
        inspect::permit_holders(&self.engine.core, &self.name, self.checked()?).await
    }

    /// Takes a permit away from its current holder, and notifies those who wait for one. Also ends its
    /// [cool-down](Guard::cool_down). A client that acquires the permit meanwhile keeps it.
    ///
    /// **For operators.** A holder that uses this client and renews the permit loses it at once. Other holders continue until
    /// they notice the loss, at their next extension or at the end of their validity. Until then more holders than permits may
    /// run; only a store that checks fencing tokens is protected.
    ///
    /// # Errors
    /// Those of [`available`](Self::available). [`is_invalid`](Error::is_invalid) is also true for a permit that the semaphore
    /// does not have.
    pub async fn force_release(&self, permit: u32) -> Result<()> {
        let permits = self.checked()?;
        let Some(one) = u16::try_from(permit).ok().filter(|one| *one < permits) else {
            let text = format!(
                "has no permit {permit}: it has {permits}, with the numbers 0 to {}",
                permits - 1
            );
            return Err(Error::invalid_permits(&self.name, text));
        };
        inspect::force_release_permits(&self.engine, &self.name, permits, Some(one)).await
    }

    /// Takes all permits away from their current holders, as [`force_release`](Self::force_release) takes one. A permit whose
    /// holder only a minority of the nodes knows is left.
    ///
    /// # Errors
    /// Those of [`available`](Self::available). The permits that could be taken are taken then.
    pub async fn force_release_all(&self) -> Result<()> {
        inspect::force_release_permits(&self.engine, &self.name, self.checked()?, None).await
    }

    fn checked(&self) -> Result<u16> {
        let options = LockOptions {
            permits: Some(self.permits),
            ..LockOptions::default()
        };
        Ok(options.checked_permits(&self.name)?.unwrap_or(0))
    }
}

/// A request for several permits of a semaphore. Created by [`Semaphore::acquire_many`].
///
/// # Errors
/// Those of [`Semaphore::acquire`]. [`is_invalid`](Error::is_invalid) is also true if the count is zero or exceeds the number
/// of permits.
///
/// # Cancel safety
/// That of a [`LockRequest`].
///
/// # Examples
/// ```
/// # use redlock::{Redlock, memory::Nodes};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
/// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
/// let workers = redlock.semaphore("workers", 4);
/// let permits = workers.acquire_many(3).await?;
/// assert_eq!(permits.iter().count(), 3);
/// assert_eq!(workers.available().await?, 1);
/// permits.release().await
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is awaited"]
pub struct AcquireMany {
    semaphore: Semaphore,
    count: u32,
    options: LockOptions,
}

impl AcquireMany {
    /// The ttl of each permit, see [`LockRequest::ttl`].
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// Maximum time to wait, for all permits together. Zero: try once.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = Some(wait);
        self
    }

    /// Maximum time that each permit is held from its grant, see [`LockRequest::max_hold`].
    pub fn max_hold(mut self, most: Duration) -> Self {
        self.options.max_hold = Some(most);
        self
    }

    /// Acquires the permits, runs `body` under them, and releases them, like [`LockRequest::run`]. If one of them is lost, the
    /// body is dropped, and then all are released.
    ///
    /// # Errors
    /// Those of the request; [`is_lost`](Error::is_lost) if a permit was lost before the body finished.
    ///
    /// # Cancel safety
    /// Dropping the future drops the body and releases all in the background.
    pub async fn run<F, T>(self, body: F) -> Result<T>
    where
        F: AsyncFnOnce(Vec<Held>) -> T,
    {
        let permits = self.await?;
        let held = permits.iter().map(Guard::held).collect();
        permits.run(body(held)).await
    }

    async fn acquire(self) -> Result<Guards> {
        let Semaphore {
            engine,
            name,
            permits,
        } = &self.semaphore;
        let most = self.semaphore.checked()?;
        if self.count == 0 || self.count > *permits {
            let text = format!(
                "requests {} of {permits} permits: request 1 to {permits}",
                self.count
            );
            return Err(Error::invalid_permits(name, text));
        }
        // Dropped last.
        let _acquiring = engine.core.acquiring.begin();
        let wait = self.options.wait(&engine.core);
        if !wait.is_zero() {
            let key = engine.core.key(name)?.permits();
            reentrancy::check_permits(&engine.core, name, &key, most, self.count as usize)?;
        }
        let begun = engine.core.now();
        let mut attempt = 0_u32;
        loop {
            let left = wait.saturating_sub(engine.core.now().saturating_since(begun));
            let permits = self.take_all(left).await;
            let busy = match permits.map_err(|error| error.after_wait(wait))? {
                Ok(all) => return Ok(all),
                Err(busy) => busy,
            };
            let left = wait.saturating_sub(engine.core.now().saturating_since(begun));
            if left.is_zero() {
                return Err(busy.after_wait(wait));
            }
            let jitter = engine.core.nodes.random.draw();
            let pause = backoff::delay(Refusal::Split, attempt, jitter, WakeUp::Never);
            tokio::time::sleep(pause.min(left)).await;
            attempt = attempt.saturating_add(1);
        }
    }

    /// Waits for one permit, and acquires the others if they are free then. The inner error means that not all of them were; none
    /// is held.
    async fn take_all(&self, left: Duration) -> Result<Result<Guards, Error>> {
        let mut all = Guards {
            guards: Vec::with_capacity(self.count as usize),
        };
        let mut wait = left;
        while all.guards.len() < self.count as usize {
            let options = LockOptions {
                wait: Some(wait),
                ..self.options.clone()
            };
            match self.semaphore.acquire().options(options).await {
                Ok(permit) => all.guards.push(permit),
                // Dropping the permits acquired so far releases them.
                Err(error) if error.is_busy() => return Ok(Err(error)),
                Err(error) => return Err(error),
            }
            wait = Duration::ZERO;
        }
        Ok(Ok(all))
    }
}

impl IntoFuture for AcquireMany {
    type Output = Result<Guards>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Guards>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.acquire())
    }
}
