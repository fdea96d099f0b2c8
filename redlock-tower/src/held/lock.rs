//! [`HeldLock`]: what a handler can ask of its lock, and do with it.

use crate::runner::{Lease, Slot};
use redlock::{FencingToken, Guard, Held, Lost};
use std::{fmt, sync::Arc, time::Duration};

/// The lock that the current request holds: an axum extractor, and an extension of the request.
///
/// Extracting it from a request without a lock is rejected with a 500 that says why there is none. `Option<HeldLock>` is
/// `None` instead. It does not give access to the key, which may be a secret of the client.
///
/// ```
/// use redlock_tower::HeldLock;
///
/// async fn charge(lock: HeldLock) -> String {
///     // The store refuses a token below one that it has seen.
///     format!("charged under token {}", lock.token())
/// }
/// # let _ = charge;
/// ```
#[derive(Clone)]
pub struct HeldLock {
    held: Held,
    slot: Arc<Slot>,
    /// The lock of an outer layer around the same request.
    outer: Option<Arc<Self>>,
}

impl HeldLock {
    /// `outer`: the lock that the request already had.
    pub(crate) fn new(lease: &Lease, outer: Option<Self>) -> Self {
        Self {
            held: lease.held().clone(),
            slot: Arc::clone(lease.slot()),
            outer: outer.map(Arc::new),
        }
    }

    /// Polls an acquisition of an inner layer. A middleware between the two may have spawned it, and then its task does not know that
    /// the request holds this lock and would wait for itself.
    pub(crate) fn around<T>(&self, poll: impl FnOnce() -> T) -> T {
        let locks = std::iter::successors(Some(self), |lock| lock.outer.as_deref());
        redlock::__private::under(locks.map(|lock| &lock.held), poll)
    }

    /// The fencing token: strictly increasing for each key. Pass it to the store that you write to.
    #[must_use]
    pub fn token(&self) -> FencingToken {
        self.held.token()
    }

    /// How long the lock is valid if it is not renewed again. Zero once it is lost.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.held.remaining()
    }

    /// Whether the lock is lost: another client may hold it. Once true, it stays true.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.held.is_lost()
    }

    /// Resolves when the lock is lost. Cancel safe.
    #[must_use = "a future does nothing unless awaited"]
    pub fn lost(&self) -> Lost {
        self.held.lost()
    }

    /// Takes the guard from the layer, for a background job that needs the lock after the response is sent. The lock is
    /// released when the guard is released or dropped. Returns `None` if the guard was taken before, or if the request
    /// has ended.
    ///
    /// From here on the layer neither cancels the handler when the lock is lost nor starts a cool-down. [`Guard::run`]
    /// cancels the job when the lock is lost, and [`Guard::cool_down`] starts a cool-down. With a replay, the record
    /// expires its ttl after the guard is gone.
    ///
    /// # Examples
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

    /// Whether the handler took the guard.
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
