//! Holding a lock: a [`Guard`] ends it.

use std::{fmt, panic::resume_unwind, pin::Pin, sync::Arc, time::Duration};

use crate::{
    acquire::SharedHold,
    config::check_window,
    core::in_runtime,
    env::unwind::{Panic, caught},
    error::{Error, Result},
    events::{
        lock as events,
        span::{HoldSpan, ReleaseSpan},
    },
    lease::{AlreadyEnded, Hold, Window},
    lock::{
        held::{Held, Lost, describe},
        ticket::Ticket,
    },
    quorum::token::FencingToken,
    register::{ReadRequest, WriteRequest},
};

/// A held lock, renewed until it is released. When it is dropped, it is released in the background,
/// without blocking.
///
/// A guard that is forgotten in a long-lived value holds its lock for as long as the process lives.
/// [`max_hold`](crate::LockRequest::max_hold) sets a limit.
///
/// The background release is sent at once. A node that cannot be reached gets it when it is back.
/// It is sent by the current runtime, or outside of one by any runtime that uses the client. If
/// there is none, the next runtime that uses the client sends it, unless the ttl is over by then.
#[must_use = "a guard that is dropped releases its lock at once"]
pub struct Guard {
    hold: Arc<Hold>,
    /// Re-entered: the lock belongs to another guard, which ends it.
    joined: bool,
    span: HoldSpan,
    /// Of a reader: the hold, which ends with the last guard.
    shared: Option<Arc<SharedHold>>,
}

impl Guard {
    pub(crate) fn new(hold: Arc<Hold>) -> Self {
        Self {
            hold,
            joined: false,
            span: HoldSpan::none(),
            shared: None,
        }
    }

    pub(crate) fn joined(hold: Arc<Hold>) -> Self {
        Self {
            hold,
            joined: true,
            shared: None,
            span: HoldSpan::none(),
        }
    }

    /// One of the readers of this process.
    pub(crate) fn shared(shared: Arc<SharedHold>) -> Self {
        Self {
            hold: Arc::clone(shared.hold()),
            joined: false,
            shared: Some(shared),
            span: HoldSpan::none(),
        }
    }

    /// Shows the hold as a span, within that of the caller.
    pub(crate) fn begin_span(&mut self) {
        if !self.joined {
            self.span = HoldSpan::begin();
        }
    }

    /// The key as the nodes have it, with its namespace. [`Error::key`](crate::Error::key) is without it.
    #[must_use]
    pub fn key(&self) -> &str {
        self.hold.lease().key().name()
    }

    /// The fencing token: larger than that of every earlier holder of the key. Pass it to the store
    /// that you write to.
    #[must_use]
    pub fn token(&self) -> FencingToken {
        self.hold.token()
    }

    /// How much longer the lock is valid unless it is extended. Zero if it is lost.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.hold.remaining()
    }

    /// Whether the lock was lost. Once `true`, it stays so.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.hold.is_lost()
    }

    /// Whether the lock was lost to a newer request, see [`newest_wins`](crate::LockRequest::newest_wins).
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        self.hold.is_superseded()
    }

    /// Completes when the lock is no longer valid: at the latest at the end of its validity,
    /// whatever happens to Redis, to the network, or to the task that extends it. Also completes
    /// when the lock is released.
    ///
    /// Outside of a runtime, the runtimes that use the client notice the end of the validity. If
    /// none runs, the future completes when it is polled after the end.
    ///
    /// The future is owned and keeps neither the guard nor the lock alive.
    pub fn lost(&self) -> Lost {
        Lost::new(&self.hold)
    }

    /// A handle that observes the lock without keeping it.
    #[must_use]
    pub fn held(&self) -> Held {
        Held::new(&self.hold)
    }

    /// How many round trips the acquire took: 1, unless a token was stale.
    #[must_use]
    pub fn rounds(&self) -> u32 {
        self.hold.lease().rounds()
    }

    /// The value under the key while this guard holds it.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.hold.lease().owner()
    }

    /// Extends the lock to its full ttl from now.
    ///
    /// # Errors
    /// [`is_lost`](Error::is_lost) if the lock is lost, now or before: an extension never restores
    /// it. [`is_no_quorum`](Error::is_no_quorum) if too few nodes answered: the lock stays valid
    /// for [`remaining`](Self::remaining), and another extension may succeed.
    ///
    /// # Cancel safety
    /// If the future is dropped, the extension may or may not have been carried out. The reported
    /// validity is correct in both cases.
    pub async fn extend(&self) -> Result<()> {
        self.hold.extend().await
    }

    /// Writes the register of the key: a small value that the nodes remember beyond the lock, such as "what was the last one
    /// done". It replaces the value that was there.
    ///
    /// A write that was confirmed is seen by every later holder that [reads](Self::read), and one of an earlier holder that
    /// arrives late changes nothing. The value has at most 64 KiB and is kept on a majority of the nodes for its
    /// [`retention`](WriteRequest::retention), 24 h by default. It is lost if a majority of the nodes loses its data
    /// meanwhile: then reads fail with [`is_forgotten`](Error::is_forgotten), as long as the value might have been there.
    ///
    /// The exclusive lock of a key, the writers of its read/write lock and each permit have registers of their own.
    /// [`Redlock::read`](crate::Redlock::read) reads that of the exclusive lock.
    ///
    /// # Errors
    /// [`is_lost`](Error::is_lost) if the lock was lost: nothing was written, or a later holder decides. Too few nodes
    /// confirmed, [`is_no_quorum`](Error::is_no_quorum) or [`is_forgotten`](Error::is_forgotten) (where the lock was acquired
    /// within the clock skew after a majority started): it may or may not be written. [`is_invalid`](Error::is_invalid) for a value that is too large, a
    /// retention below 1 ms or above a year, a lock without a token, and a reader.
    ///
    /// # Examples
    /// ```
    /// # use redlock::{Redlock, memory::Nodes};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
    /// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    /// let guard = redlock.lock("import").await?;
    /// let last = guard.read().await?; // None: nobody has written yet
    /// assert_eq!(last, None);
    /// guard.write("page 1").await?;
    /// guard.release().await?;
    /// assert_eq!(redlock.read("import").await?.as_deref(), Some(&b"page 1"[..]));
    /// # Ok(()) }
    /// ```
    pub fn write(&self, value: impl Into<Vec<u8>>) -> WriteRequest {
        WriteRequest::new(&self.hold, value.into())
    }

    /// Reads the register of the key: what was [written](Self::write) last, by this holder or an earlier one. `None` if
    /// nothing was, or if it has expired.
    ///
    /// What it says stays true until this holder writes or loses the lock. Takes two round trips; one if this holder has
    /// read or written before.
    ///
    /// # Errors
    /// [`is_lost`](Error::is_lost) if the lock was lost meanwhile; [`is_no_quorum`](Error::is_no_quorum) if too few nodes
    /// answered; [`is_forgotten`](Error::is_forgotten) if too few of them have been up for the retention, so that a value may
    /// be forgotten; [`is_invalid`](Error::is_invalid) as [`write`](Self::write).
    pub fn read(&self) -> ReadRequest {
        ReadRequest::by_holder(&self.hold)
    }

    /// Releases the lock, and waits until a majority of the nodes has confirmed it, for at most the
    /// node time-out.
    ///
    /// # Errors
    /// [`is_lost`](Error::is_lost) if the lock had been lost: another client may have held it
    /// since. [`is_no_quorum`](Error::is_no_quorum) if too few nodes confirmed: the release is
    /// repeated in the background until every node has carried it out.
    ///
    /// # Cancel safety
    /// The release is sent when the future is first polled, and continues if the future is dropped.
    /// Dropping a future that was never polled drops the guard, which also releases.
    pub async fn release(self) -> Result<()> {
        self.end(Window::RestOfAtLeast, true).await
    }

    /// Releases the lock like [`release`](Self::release), but without the rest of its
    /// [`at_least`](crate::LockRequest::at_least): another client may hold it at once. For work that could not begin, so that
    /// another process can do it.
    ///
    /// # Errors
    /// As [`release`](Self::release).
    ///
    /// # Cancel safety
    /// As [`release`](Self::release), except that dropping a future that was never polled keeps the rest of `at_least`.
    ///
    /// # Examples
    /// ```
    /// # use redlock::{Redlock, memory::Nodes};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
    /// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    /// # let disk_is_full = true;
    /// let minute = Duration::from_secs(60);
    /// let guard = redlock.lock("nightly-report").at_least(minute).await?;
    /// if disk_is_full {
    ///     guard.release_early().await?;
    /// }
    /// assert!(!redlock.is_locked("nightly-report").await?);
    /// # Ok(()) }
    /// ```
    pub async fn release_early(self) -> Result<()> {
        self.end(Window::Zero, true).await
    }

    /// Ends the hold but keeps the key busy for everybody for `window` from now, to prevent
    /// repetitions; for the rest of [`at_least`](crate::LockRequest::at_least) if that is longer.
    ///
    /// Until the window is over, requests for the key fail at once with
    /// [`is_cooling_down`](Error::is_cooling_down), including those that already wait.
    ///
    /// # Errors
    /// As [`release`](Self::release). On [`is_no_quorum`](Error::is_no_quorum) the window may have
    /// begun. [`is_invalid`](Error::is_invalid) for a window below 1 ms or above a year, in which
    /// case the lock is released; and for a lock that was joined by
    /// [`reentrant`](crate::LockRequest::reentrant), which stays with the first guard; and for a reader, which is released.
    ///
    /// # Cancel safety
    /// As [`release`](Self::release).
    pub async fn cool_down(self, window: Duration) -> Result<()> {
        check_window(window)?;
        if self.joined {
            return Err(Error::invalid_config(
                "a lock that was joined by `reentrant` belongs to the caller: only the guard that was first can leave a \
                 cool-down",
            ));
        }
        if self.shared.is_some() {
            return Err(Error::invalid_config(
                "a reader leaves no cool-down, since it keeps no reader out: acquire the lock to write",
            ));
        }
        self.end(Window::CoolDown(window), true).await
    }

    /// Ends the hold without a release, and returns a ticket with which another process can
    /// [adopt](crate::Redlock::adopt) the lock. No other client gets the lock until the ticket is adopted or expires.
    ///
    /// Once the ticket exists, the hold has ended: the lock is no longer renewed, and [`lost`](Self::lost) resolves. The ticket
    /// expires after the [`remaining`](Self::remaining) validity; call [`extend`](Self::extend) first to make that the whole
    /// ttl. If nobody adopts the ticket, other clients wait for that time. [`at_least`](crate::LockRequest::at_least) has no
    /// effect.
    ///
    /// # Errors
    /// [`is_lost`](Error::is_lost) if the lock was lost before; [`is_invalid`](Error::is_invalid) for a lock without a fencing
    /// token, for a permit, for a side of a read/write lock, and for a lock that was joined by
    /// [`reentrant`](crate::LockRequest::reentrant). In these cases the lock is released, except for a joined one.
    pub fn detach(self) -> Result<Ticket> {
        if self.joined {
            return Err(Error::invalid_config(
                "a lock that was joined by `reentrant` belongs to the caller: only the guard that was first can detach it",
            ));
        }
        Ticket::detach(&self.hold)
    }

    /// Runs `body` under the lock, cancels it if the lock is lost, and releases the lock at the end.
    ///
    /// A release that fails emits an event and never replaces the value of the body. A lock that was lost in the meantime has
    /// had the event of its loss.
    ///
    /// # Errors
    /// [`is_lost`](Error::is_lost) if the lock was lost before the body finished, [`is_superseded`](Error::is_superseded) if that
    /// was to a newer request. The body was dropped then.
    ///
    /// # Cancel safety
    /// Dropping the future drops the body and releases in the background, as does a panic of the body.
    ///
    /// # Examples
    /// ```
    /// # use redlock::{Redlock, memory::Nodes};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
    /// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    /// let guard = redlock.lock("invoice:42").await?;
    /// let total = guard.run(async { 6 * 7 }).await?;
    /// assert_eq!(total, 42);
    /// # Ok(()) }
    /// ```
    pub async fn run<F: Future>(self, body: F) -> Result<F::Output> {
        in_runtime()?;
        if !self.hold.is_open() {
            return Err(self.hold.lost_error());
        }
        let lost = self.lost();
        let outcome = tokio::select! {
            biased;
            // Polled first: after a stall the body must not continue without the lock.
            () = lost => None,
            outcome = caught(self.held().scope(body)) => Some(outcome),
        };
        let value = match outcome {
            Some(Ok(value)) => value,
            Some(Err(panic)) => self.end_panicked(panic).await,
            None => return Err(self.end_lost().await),
        };
        let key = Arc::clone(self.hold.lease().key());
        if let Err(error) = self.release().await
            && !error.is_of_lost_lock()
        {
            events::release_failed(&key, &error);
        }
        Ok(value)
    }

    pub(crate) fn hold(&self) -> &Arc<Hold> {
        &self.hold
    }

    /// Ends a lock whose body panicked, and resumes the panic.
    pub(crate) async fn end_panicked(self, panic: Panic) -> ! {
        self.end_badly().await;
        resume_unwind(panic)
    }

    /// The work under the lock may be half done, so the next holder starts with a lease of its own.
    pub(crate) async fn end_badly(self) {
        // A failed release is repeated in the background.
        let _ = self.end(Window::RestOfAtLeast, false).await;
    }

    /// Waits until the nodes know that a lost lock has ended, and returns the error with the cause
    /// of the loss.
    pub(crate) async fn end_lost(self) -> Error {
        let lost = self.hold.lost_error();
        let _ = self.end(Window::RestOfAtLeast, false).await;
        lost
    }

    /// Releases in the background a lock under which nothing was done, so without the rest of its `at_least`.
    pub(crate) fn give_back(mut self) {
        self.drop_hold(Window::Zero, true);
    }

    fn drop_hold(&mut self, window: Window, ended_well: bool) {
        if self.joined || self.shared.is_some() {
            return;
        }
        // An error means that the hold has ended, as after an awaited release.
        let released = self.hold.release(window, ended_well);
        self.span.end(|| match released {
            Ok(_) => "dropped",
            Err(AlreadyEnded) if self.hold.is_superseded() => "superseded",
            Err(AlreadyEnded) if self.hold.is_lost() => "lost",
            Err(AlreadyEnded) => "detached",
        });
    }

    /// Boxed: otherwise a task that waits for its lock has the memory for the release all the time.
    fn end(
        mut self,
        window: Window,
        ended_well: bool,
    ) -> Pin<Box<impl Future<Output = Result<()>> + Send>> {
        Box::pin(async move {
            // Kept until the hold has ended here, so that it does not end it itself.
            let mut _last_reader = None;
            if let Some(shared) = self.shared.take() {
                _last_reader = Arc::into_inner(shared);
                // Others of this process read on.
                self.joined = _last_reader.is_none();
            }
            if self.joined {
                return if self.is_lost() {
                    Err(self.hold.lost_error())
                } else {
                    Ok(())
                };
            }
            let span = ReleaseSpan::begin();
            let released = span.around(self.end_hold(window, ended_well)).await;
            span.ended(&released);
            released
        })
    }

    async fn end_hold(&mut self, window: Window, ended_well: bool) -> Result<()> {
        let released = self.hold.release(window, ended_well);
        self.span.end(|| match (&released, window) {
            (Err(AlreadyEnded), _) if self.hold.is_superseded() => "superseded",
            (Err(AlreadyEnded), _) => "lost",
            (Ok(_), Window::CoolDown(_)) => "cooled_down",
            (Ok(_), Window::RestOfAtLeast | Window::Zero) => "released",
        });
        let lease = self.hold.lease();
        match released {
            Ok(Some(round)) => lease.release_confirmed(&round).await,
            // The next waiter of this process has the lease. The nodes need not know.
            Ok(None) => Ok(()),
            Err(AlreadyEnded) => {
                if let Some(round) = lease.release_of_lost() {
                    let _ = lease.release_confirmed(&round).await;
                }
                Err(self.hold.lost_error())
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // After a panic the work under the lock may be half done, so the next holder starts with a lease of its own.
        self.drop_hold(Window::RestOfAtLeast, !std::thread::panicking());
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe(f, "Guard", &self.hold)
    }
}
