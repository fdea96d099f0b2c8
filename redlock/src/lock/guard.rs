//! Holding a lock: a [`Guard`] ends it.

use std::{fmt, panic::resume_unwind, sync::Arc, time::Duration};

use crate::{
    config::check_window,
    core::in_runtime,
    env::unwind::{Panic, caught},
    error::{Error, Result},
    events::lock as events,
    lease::{AlreadyEnded, Hold},
    lock::held::{Held, Lost, describe},
    quorum::token::FencingToken,
};

/// A held lock, renewed until it is released. Dropped: released in the background, without blocking and without waiting.
///
/// One that is forgotten in a long-lived value holds its lock for as long as the process lives:
/// [`max_hold`](crate::LockRequest::max_hold) bounds that.
///
/// The background release is sent at once. A node that cannot be reached gets it when it is heard again, however late.
/// It goes by the runtime that it happens in, otherwise by any that uses the client; where there is none, by the next one,
/// unless the ttl is over before.
#[must_use = "a guard that is dropped releases its lock at once"]
pub struct Guard {
    hold: Arc<Hold>,
    /// Re-entered: the lock is another guard's, which ends it.
    joined: bool,
}

impl Guard {
    pub(crate) fn new(hold: Arc<Hold>) -> Self {
        Self {
            hold,
            joined: false,
        }
    }

    pub(crate) fn joined(hold: Arc<Hold>) -> Self {
        Self { hold, joined: true }
    }

    /// The key, with its namespace.
    #[must_use]
    pub fn key(&self) -> &str {
        self.hold.lease().key().lock()
    }

    /// The fencing token: larger than that of every earlier holder of the key. Hand it to the store that you write to.
    #[must_use]
    pub fn token(&self) -> FencingToken {
        self.hold.token()
    }

    /// How much longer the lock may be relied on if it is not extended; zero when it is lost.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.hold.remaining()
    }

    /// Whether the lock was lost. Final once it is true.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.hold.is_lost()
    }

    /// Resolves when the lock can no longer be relied on: at the latest when its validity is over, whatever happens
    /// to Redis, to the network or to the task that extends it. Resolves also when the lock is released.
    ///
    /// Outside of a runtime the end of the validity is noticed by the runtimes that use the client; where none runs, the future
    /// resolves when it is polled after the end.
    ///
    /// The future is owned; it keeps neither the guard nor the lock.
    pub fn lost(&self) -> Lost {
        Lost::new(&self.hold)
    }

    /// A handle that looks at the lock without keeping it.
    #[must_use]
    pub fn held(&self) -> Held {
        Held::new(&self.hold)
    }

    /// How many round trips the acquire took: 1, unless tokens were stale.
    #[must_use]
    pub fn rounds(&self) -> u32 {
        self.hold.lease().rounds()
    }

    /// The value that stands under the key while this guard holds it.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.hold.lease().owner()
    }

    /// Extends the lock to its full ttl from now.
    ///
    /// # Errors
    /// [`is_lost`](Error::is_lost) when the lock is lost, now or before: an extension never brings it back.
    /// [`is_no_quorum`](Error::is_no_quorum) when too few nodes answered: the lock still holds for
    /// [`remaining`](Self::remaining), and another extension may succeed.
    ///
    /// # Cancel safety
    /// When the future is dropped, the extension may or may not have been carried out; the reported validity
    /// never runs ahead of it.
    pub async fn extend(&self) -> Result<()> {
        self.hold.extend().await
    }

    /// Releases the lock, and waits until a majority of the nodes is known to be free of it or the node time-out is
    /// over.
    ///
    /// # Errors
    /// [`is_lost`](Error::is_lost) when the lock had been lost before: another may have held it meanwhile.
    /// [`is_no_quorum`](Error::is_no_quorum) when too few nodes confirmed: the release is repeated in the background
    /// until every node has carried it out.
    ///
    /// # Cancel safety
    /// The release is sent when this is first polled, and goes on when the future is dropped; a future that was never
    /// polled drops the guard, which releases too.
    pub async fn release(self) -> Result<()> {
        self.end(None, true).await
    }

    /// Ends the hold but keeps the key busy for `window` from now, for everybody: against repetitions.
    ///
    /// Until the window is over, requests for the key are refused at once with
    /// [`is_cooling_down`](Error::is_cooling_down), those of waiters too.
    ///
    /// # Errors
    /// As [`release`](Self::release); on [`is_no_quorum`](Error::is_no_quorum) the window may be open.
    /// [`is_invalid`](Error::is_invalid) for a window below 1 ms or above a year: the lock is released then; and for a lock
    /// that was joined by [`reentrant`](crate::LockRequest::reentrant), which stays with the guard that was first.
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
        self.end(Some(window), true).await
    }

    /// Runs `body` under the lock, cancels it when the lock is lost, and releases at its end.
    ///
    /// A failed release is an event and never replaces the value of the body.
    ///
    /// # Errors
    /// [`is_lost`](Error::is_lost) when the lock was lost before the body had finished, which was then dropped.
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
            // Looked at first, on every waking: after a stall the body does not go on without the lock.
            () = lost => None,
            outcome = caught(self.held().scope(body)) => Some(outcome),
        };
        let value = match outcome {
            Some(Ok(value)) => value,
            Some(Err(panic)) => self.end_panicked(panic).await,
            None => return Err(self.end_lost().await),
        };
        let key = Arc::clone(self.hold.lease().key());
        if let Err(error) = self.release().await {
            events::release_failed(&key, &error);
        }
        Ok(value)
    }

    pub(crate) fn hold(&self) -> &Arc<Hold> {
        &self.hold
    }

    /// Ends a lock whose body panicked, and goes on with the panic.
    pub(crate) async fn end_panicked(self, panic: Panic) -> ! {
        self.end_badly().await;
        resume_unwind(panic)
    }

    /// What the lock protects may be half done: the next holder starts with a lease of its own.
    pub(crate) async fn end_badly(self) {
        // A failed release is repeated in the background.
        let _ = self.end(None, false).await;
    }

    /// Waits until the nodes know that a lost lock has ended, and returns the error that says how it was lost.
    pub(crate) async fn end_lost(self) -> Error {
        let lost = self.hold.lost_error();
        let _ = self.end(None, false).await;
        lost
    }

    async fn end(self, window: Option<Duration>, ended_well: bool) -> Result<()> {
        if self.joined {
            return if self.is_lost() {
                Err(self.hold.lost_error())
            } else {
                Ok(())
            };
        }
        let lease = self.hold.lease();
        match self.hold.release(window, ended_well) {
            Ok(Some(round)) => lease.release_confirmed(&round).await,
            // The next in line of this process has the lease; the nodes need not know.
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
        if !self.joined {
            // After a panic what the lock protects may be half done: the next holder starts with a lease of its own.
            // It may be over, as after a release that was awaited.
            let _ = self.hold.release(None, !std::thread::panicking());
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe(f, "Guard", &self.hold)
    }
}
