//! What a handler may know of its lock, and do with it.

use crate::lock::{Lease, Slot};
use redlock::{FencingToken, Guard, Held, Lost};
use std::{fmt, sync::Arc, time::Duration};

/// The lock that this request holds: an extractor in axum, an extension of the request elsewhere.
///
/// It does not show its key, which may be a secret of the client's. Without a [`RedlockLayer`](crate::RedlockLayer)
/// around the route it is answered with a 500 that says so; `Option<HeldLock>` is `None` where the layer let the request
/// pass without a lock.
///
/// ```
/// use redlock_tower::HeldLock;
///
/// async fn charge(lock: HeldLock) -> String {
///     // the store refuses a token lower than one it has seen
///     format!("charged under token {}", lock.token())
/// }
/// # let _ = charge;
/// ```
#[derive(Clone)]
pub struct HeldLock {
    held: Held,
    slot: Arc<Slot>,
}

impl HeldLock {
    pub(crate) fn new(lease: &Lease) -> Self {
        Self {
            held: lease.held().clone(),
            slot: Arc::clone(lease.slot()),
        }
    }

    /// The fencing token: strictly increasing for each key. Hand it to the store you write to.
    #[must_use]
    pub fn token(&self) -> FencingToken {
        self.held.token()
    }

    /// What is left of the validity, should the lock not be extended again; zero once it is lost.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.held.remaining()
    }

    /// Whether the lock can no longer be relied on. Final once true.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.held.is_lost()
    }

    /// Resolves when the lock can no longer be relied on. Cancel safe.
    #[must_use = "a future does nothing unless awaited"]
    pub fn lost(&self) -> Lost {
        self.held.lost()
    }

    /// Takes the lock along, out of the layer's hands: the answer goes out while a background job still holds it, and
    /// it is released when the guard is released or dropped. `None` if it was taken along already, or the request is over.
    ///
    /// The layer's window and `on_lost` end here, and a recorded answer lives for its ttl after the guard is gone; [`Guard::run`] cancels the job when the lock is lost, and
    /// [`Guard::cool_down`] keeps the key busy afterwards.
    ///
    /// ```
    /// use axum::http::StatusCode;
    /// use redlock_tower::HeldLock;
    ///
    /// async fn import(lock: HeldLock) -> StatusCode {
    ///     let Some(guard) = lock.into_guard() else { return StatusCode::INTERNAL_SERVER_ERROR };
    ///     tokio::spawn(async move { guard.run(async { /* minutes of work */ }).await });
    ///     StatusCode::ACCEPTED
    /// }
    /// # let _ = import;
    /// ```
    #[must_use = "dropped, the guard releases the lock at once"]
    pub fn into_guard(self) -> Option<Guard> {
        self.slot.take()
    }

    /// Whether the handler took the guard along.
    #[cfg(feature = "replay")]
    pub(crate) fn is_taken(&self) -> bool {
        self.slot.is_empty()
    }
}

impl fmt::Debug for HeldLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldLock")
            .field("token", &self.token())
            .field("remaining", &self.remaining())
            .field("is_lost", &self.is_lost())
            .finish_non_exhaustive()
    }
}
