//! Read/write locks: many readers, or one writer.

use std::sync::Arc;

use crate::{
    acquire::engine::Engine,
    command::Side,
    error::Result,
    inspect::{self, RwLockHolders},
    lock::{guard::Guard, options::LockOptions, request::LockRequest},
};

/// A read/write lock over all processes: any number of readers at a time, or one writer. Created by
/// [`Redlock::rwlock`](crate::Redlock::rwlock).
///
/// A [`Guard`] holds either side, and it is renewed and lost like any lock. The
/// [token](Guard::token) of a writer is larger than those of all earlier holders. The token of a
/// reader is between those of the writers before and after it, and several readers may have the
/// same token. So a store that refuses old tokens refuses late writes.
///
/// Readers of one process share a hold on the nodes: a reader that requests the lock within 100 ms
/// after the grant of such a hold needs no round trip. The hold is released after its last reader.
///
/// A waiting writer has priority over readers that begin to wait later, so that a stream of readers
/// does not starve it. A reader that has waited for longer goes first. When the writer stops
/// waiting, readers are admitted again. If its process crashes, they are admitted 3 s after the end
/// of the lease that it waited for.
///
/// There is no upgrade and no downgrade: a task that holds one side and requests the other inside
/// `run` fails with [`is_already_held`](crate::Error::is_already_held).
///
/// A read/write lock is independent of the lock with the same key.
/// [`Redlock::holder`](crate::Redlock::holder), [`is_locked`](crate::Redlock::is_locked) and
/// [`force_release`](crate::Redlock::force_release) ignore it: use the methods of this type.
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

    /// A request to read, with the options of a lock: await it for a [`Guard`], or
    /// [`run`](LockRequest::run) something under the lock.
    ///
    /// A reader with a [`max_hold`](LockRequest::max_hold) does not share its hold.
    /// [`at_least`](LockRequest::at_least) and [`cool_down`](Guard::cool_down) are errors for a
    /// reader, since other readers are not excluded.
    ///
    /// # Errors
    /// Those of a [`LockRequest`]. [`is_invalid`](crate::Error::is_invalid) is also true for
    /// `fencing(false)`.
    pub fn read(&self) -> LockRequest {
        let options = LockOptions {
            read: true,
            ..LockOptions::default()
        };
        LockRequest::new(&self.engine, self.name.clone()).options(options)
    }

    /// A request to write, with the options of a lock: await it for a [`Guard`], or
    /// [`run`](LockRequest::run) something under the lock.
    ///
    /// Within a process, the lock is handed over to the next waiting writer without a round trip,
    /// like an exclusive lock.
    ///
    /// # Errors
    /// Those of a [`LockRequest`]. [`is_invalid`](crate::Error::is_invalid) is also true for
    /// `fencing(false)`.
    pub fn write(&self) -> LockRequest {
        let options = LockOptions {
            write: true,
            ..LockOptions::default()
        };
        LockRequest::new(&self.engine, self.name.clone()).options(options)
    }

    /// Tries once, without waiting. Returns `None` while a writer holds the lock or waits for it.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), except for busy.
    ///
    /// # Cancel safety
    /// That of a [`LockRequest`].
    pub async fn try_read(&self) -> Result<Option<Guard>> {
        unless_busy(self.read()).await
    }

    /// Tries once, without waiting. Returns `None` while readers or a writer hold the lock.
    ///
    /// # Errors
    /// Those of [`write`](Self::write), except for busy.
    ///
    /// # Cancel safety
    /// That of a [`LockRequest`].
    pub async fn try_write(&self) -> Result<Option<Guard>> {
        unless_busy(self.write()).await
    }

    /// Who holds the lock on a majority of the nodes, and for how long: a writer, or readers.
    ///
    /// The answer may be outdated when it arrives. Use it for display, not for decisions.
    ///
    /// # Errors
    /// [`is_no_quorum`](crate::Error::is_no_quorum) if too few nodes answered,
    /// [`is_invalid`](crate::Error::is_invalid) for an invalid key,
    /// [`is_closed`](crate::Error::is_closed).
    ///
    /// # Examples
    /// ```
    /// # use redlock::{Redlock, memory::Nodes};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
    /// let nodes = Nodes::new(3).nodes();
    /// let redlock = Redlock::builder().nodes(nodes).label("api-7").connect().await?;
    /// let catalog = redlock.rwlock("catalog");
    /// let _reader = catalog.read().await?;
    /// let holders = catalog.holders().await?;
    /// assert_eq!(holders.readers[0].label(), Some("api-7"));
    /// assert!(holders.writer.is_none());
    /// # Ok(()) }
    /// ```
    pub async fn holders(&self) -> Result<RwLockHolders> {
        inspect::rw_lock_holders(&self.engine.core, &self.name).await
    }

    /// Whether a majority of the nodes reports a reader, a writer, or the cool-down of a writer.
    ///
    /// # Errors
    /// Those of [`holders`](Self::holders).
    pub async fn is_locked(&self) -> Result<bool> {
        Ok(!self.holders().await?.is_free())
    }

    /// Whether a majority of the nodes reports a reader.
    ///
    /// # Errors
    /// Those of [`holders`](Self::holders).
    pub async fn is_read_locked(&self) -> Result<bool> {
        Ok(!self.holders().await?.readers.is_empty())
    }

    /// Whether a majority of the nodes reports a writer, or its cool-down.
    ///
    /// # Errors
    /// Those of [`holders`](Self::holders).
    pub async fn is_write_locked(&self) -> Result<bool> {
        Ok(self.holders().await?.writer.is_some())
    }

    /// Takes the lock away from its current readers, and notifies the writers that wait. A client that acquires the lock
    /// meanwhile keeps it.
    ///
    /// **For operators.** Readers that use this client and renew their hold lose it at once. Other readers continue until they
    /// notice the loss, at their next extension or at the end of their validity. Until then a writer may run beside them; only a
    /// store that checks fencing tokens is protected. Of more than 1,000 readers, those that expire last lose the lock: call it
    /// again for the others.
    ///
    /// # Errors
    /// Those of [`holders`](Self::holders).
    pub async fn force_release_readers(&self) -> Result<()> {
        inspect::force_release_side(&self.engine, &self.name, Side::Read).await
    }

    /// Takes the lock away from its current writer, as
    /// [`force_release_readers`](Self::force_release_readers) does from readers. Also ends a cool-down. Notifies all who wait.
    ///
    /// # Errors
    /// Those of [`holders`](Self::holders).
    pub async fn force_release_writer(&self) -> Result<()> {
        inspect::force_release_side(&self.engine, &self.name, Side::Write).await
    }
}

async fn unless_busy(request: LockRequest) -> Result<Option<Guard>> {
    match request.no_wait().await {
        Ok(guard) => Ok(Some(guard)),
        Err(error) if error.is_busy() => Ok(None),
        Err(error) => Err(error),
    }
}
