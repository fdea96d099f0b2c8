//! Read/write locks: many readers, or one writer.

use std::sync::Arc;

use crate::{
    acquire::engine::Engine,
    error::Result,
    lock::{guard::Guard, options::LockOptions, request::LockRequest},
};

/// A read/write lock over all processes: any number of readers at a time, or one writer. Made by
/// [`Redlock::rwlock`](crate::Redlock::rwlock).
///
/// Both sides are held by a [`Guard`], renewed and lost as any lock is. The [token](Guard::token) of a writer is larger than
/// those of all holders before it. The token of a reader is between those of the writers before and after it; readers
/// may have the same one. So a store that refuses old tokens refuses what a writer sends late.
///
/// Readers of one process share a hold on the nodes: while one of them holds it, those that come within 100 ms after its
/// grant need no round trip. It is released after the last of them.
///
/// A writer that waits keeps out readers that begin to wait after it, so that readers do not keep it out for ever; a reader
/// that has waited for longer goes first. A request that gives up lets them in again, and one whose process crashed keeps them
/// out until 3 s after the lease that it waited for. There is no upgrade and no downgrade: a
/// task that holds one side and asks for the other, inside of `run`, fails with
/// [`is_already_held`](crate::Error::is_already_held).
///
/// A read/write lock shares nothing with the lock of the same key. [`holder`](crate::Redlock::holder),
/// [`is_locked`](crate::Redlock::is_locked) and [`force_release`](crate::Redlock::force_release) do not see it.
///
/// # Examples
/// ```
/// # use redlock::{Redlock, memory::Nodes};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
/// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
/// let catalog = redlock.rwlock("catalog");
/// let first = catalog.read().await?;
/// let second = catalog.read().await?;
/// assert!(catalog.try_write().await?.is_none());
/// first.release().await?;
/// second.release().await?;
/// catalog.write().run(async |held| assert!(!held.is_lost())).await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RwLock {
    engine: Arc<Engine>,
    name: String,
}

impl RwLock {
    pub(crate) fn new(engine: &Arc<Engine>, name: String) -> Self {
        Self {
            engine: Arc::clone(engine),
            name,
        }
    }

    /// A request to read, with the options of a lock: await it for a [`Guard`], or [`run`](LockRequest::run) something.
    ///
    /// A reader with a [`max_hold`](LockRequest::max_hold) shares its hold with nobody. Nobody has to be kept out after a
    /// reader: a request with [`at_least`](LockRequest::at_least) and a [`cool_down`](Guard::cool_down) are errors.
    ///
    /// # Errors
    /// Those of a [`LockRequest`]; [`is_invalid`](crate::Error::is_invalid) also for `fencing(false)`.
    pub fn read(&self) -> LockRequest {
        let options = LockOptions {
            read: true,
            ..LockOptions::default()
        };
        LockRequest::new(&self.engine, self.name.clone()).options(options)
    }

    /// A request to write, with the options of a lock: await it for a [`Guard`], or [`run`](LockRequest::run) something.
    ///
    /// Within a process a waiting writer gets the lock of the one before without a round trip, as with an exclusive lock.
    ///
    /// # Errors
    /// Those of a [`LockRequest`]; [`is_invalid`](crate::Error::is_invalid) also for `fencing(false)`.
    pub fn write(&self) -> LockRequest {
        let options = LockOptions {
            write: true,
            ..LockOptions::default()
        };
        LockRequest::new(&self.engine, self.name.clone()).options(options)
    }

    /// One look, no waiting: `None` while a writer holds the lock or waits for it.
    ///
    /// # Errors
    /// As [`read`](Self::read), except for busy.
    ///
    /// # Cancel safety
    /// As awaiting a [`LockRequest`].
    pub async fn try_read(&self) -> Result<Option<Guard>> {
        unless_busy(self.read()).await
    }

    /// One look, no waiting: `None` while readers or a writer hold the lock.
    ///
    /// # Errors
    /// As [`write`](Self::write), except for busy.
    ///
    /// # Cancel safety
    /// As awaiting a [`LockRequest`].
    pub async fn try_write(&self) -> Result<Option<Guard>> {
        unless_busy(self.write()).await
    }
}

async fn unless_busy(request: LockRequest) -> Result<Option<Guard>> {
    match request.no_wait().await {
        Ok(guard) => Ok(Some(guard)),
        Err(error) if error.is_busy() => Ok(None),
        Err(error) => Err(error),
    }
}
