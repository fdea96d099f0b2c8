//! Semaphores: a number of permits, each an exclusive lock of its own.

use std::{future::IntoFuture, pin::Pin, sync::Arc, time::Duration};

use crate::{
    acquire::{available_permits, engine::Engine},
    error::{Error, Result},
    lock::{guard::Guard, held::Held, options::LockOptions, request::LockRequest, several::Guards},
    quorum::backoff::{self, Refusal, WakeUp},
};

/// A semaphore over all processes: at most so many hold a permit at a time. Made by
/// [`Redlock::semaphore`](crate::Redlock::semaphore).
///
/// Each permit is an exclusive lock with a key of its own, so what a lock guarantees holds for each permit: a
/// [`Guard`] holds it, it is renewed, and it is lost as a lock is. Its [token](Guard::token) is larger than those of all
/// earlier holders of *the same permit*; tokens of different permits say nothing of each other.
///
/// All clients name the same number. The nodes remember it for [`max_ttl`](crate::Builder::max_ttl) after the last request,
/// and a client that names another one is refused with [`ErrorKind::OtherPermits`](crate::ErrorKind::OtherPermits) as soon as
/// a majority of them knows. To change the number, stop the clients with the old one and wait for `max_ttl`.
///
/// A semaphore shares nothing with the lock of the same key.
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
    /// Within a process the waiters stand in a queue. A permit is handed over there without a round trip, for up to 100 ms;
    /// then a release notifies the process that has waited longest. [`reentrant`](LockRequest::reentrant) has no meaning for
    /// permits: a task that asks for a second one may get it, or may wait for itself.
    ///
    /// # Errors
    /// Those of a [`LockRequest`]; [`is_invalid`](Error::is_invalid) also for a semaphore of no permit or of more than 1,000,
    /// and where other clients name another number.
    pub fn acquire(&self) -> LockRequest {
        LockRequest::new(&self.engine, self.name.clone()).permits(self.permits)
    }

    /// One look, no waiting: `None` where no permit is free on a majority of the nodes, or others of this process wait.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire), except for busy.
    ///
    /// # Cancel safety
    /// As awaiting a [`LockRequest`].
    pub async fn try_acquire(&self) -> Result<Option<Guard>> {
        match self.acquire().no_wait().await {
            Ok(permit) => Ok(Some(permit)),
            Err(error) if error.is_busy() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A request for `count` permits, all or none.
    ///
    /// It holds none while it waits for the rest, so requests for several do not wait for each other. The price: where
    /// requests for one keep all permits busy, a request for several may wait until its time is over.
    pub fn acquire_many(&self, count: u32) -> AcquireMany {
        AcquireMany {
            semaphore: self.clone(),
            count,
            options: LockOptions::default(),
        }
    }

    /// How many permits are free on a majority of the nodes. The answer may be out of date when it arrives: it is for looking.
    ///
    /// # Errors
    /// [`is_no_quorum`](Error::is_no_quorum) when too few nodes answered; [`is_invalid`](Error::is_invalid) as
    /// [`acquire`](Self::acquire), [`is_closed`](Error::is_closed).
    pub async fn available(&self) -> Result<u32> {
        let permits = self.checked()?;
        available_permits(&self.engine, &self.name, permits).await
    }

    fn checked(&self) -> Result<u16> {
        let options = LockOptions {
            permits: Some(self.permits),
            ..LockOptions::default()
        };
        Ok(options.checked_permits(&self.name)?.unwrap_or(0))
    }
}

/// A request for several permits of a semaphore. Made by [`Semaphore::acquire_many`].
///
/// # Errors
/// Awaiting answers as [`Semaphore::acquire`] does, and [`is_invalid`](Error::is_invalid) for none, or more than there are.
///
/// # Cancel safety
/// As awaiting a [`LockRequest`].
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
    /// The ttl of each permit, as [`LockRequest::ttl`].
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// How long to wait at most, for all together. Zero: one look.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = Some(wait);
        self
    }

    /// Lets go of each permit this long after it was granted, as [`LockRequest::max_hold`].
    pub fn max_hold(mut self, most: Duration) -> Self {
        self.options.max_hold = Some(most);
        self
    }

    /// Acquires the permits, runs `body` under them, and releases them, as [`LockRequest::run`] does with one lock. When one
    /// of them is lost, the body is dropped first, and all are released after that.
    ///
    /// # Errors
    /// As awaiting the request; [`is_lost`](Error::is_lost) when a permit was lost before the body finished.
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
        if self.count == 0 || self.count > *permits {
            let text = format!(
                "asks for {} of {permits} permits: ask for 1 to {permits}",
                self.count
            );
            return Err(Error::invalid_permits(name, text));
        }
        let wait = self.options.wait(&engine.core);
        let begun = engine.core.now();
        let mut attempt = 0_u32;
        loop {
            let left = wait.saturating_sub(engine.core.now().saturating_since(begun));
            let busy = match self.take_all(left).await? {
                Ok(all) => return Ok(all),
                Err(busy) => busy,
            };
            let left = wait.saturating_sub(engine.core.now().saturating_since(begun));
            if left.is_zero() {
                return Err(match wait.is_zero() {
                    true => busy,
                    false => Error::timed_out(name, wait, busy.retry_after(), None),
                });
            }
            let jitter = engine.core.nodes.random.draw();
            let pause = backoff::delay(Refusal::Split, attempt, jitter, WakeUp::Never);
            tokio::time::sleep(pause.min(left)).await;
            attempt = attempt.saturating_add(1);
        }
    }

    /// Waits for one permit, and takes the others if they are free then. The inner error: not all were; none is held.
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
                // Those so far are dropped, which releases them.
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
