//! Observing a held lock: [`Held`] and [`Lost`] keep nothing and end nothing.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use crate::{lease::Hold, lock::reentrancy::Scope, quorum::token::FencingToken};

/// Observes a held lock without keeping it: dropping it ends nothing. Cheap to clone.
#[derive(Clone)]
pub struct Held {
    hold: Arc<Hold>,
}

impl Held {
    pub(crate) fn new(hold: &Arc<Hold>) -> Self {
        Self {
            hold: Arc::clone(hold),
        }
    }

    /// The key as the nodes have it, with its namespace. [`Error::key`](crate::Error::key) is without it.
    #[must_use]
    pub fn key(&self) -> &str {
        self.hold.lease().key().name()
    }

    /// The fencing token, as [`Guard::token`](crate::Guard::token).
    #[must_use]
    pub fn token(&self) -> FencingToken {
        self.hold.token()
    }

    /// How much longer the lock is valid unless it is extended. Zero if it has ended.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.hold.remaining()
    }

    /// Whether the lock was lost. Once `true`, it stays so.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.hold.is_lost()
    }

    /// Whether the lock was lost to a newer request, as [`Guard::is_superseded`](crate::Guard::is_superseded).
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        self.hold.is_superseded()
    }

    /// Completes when the lock is no longer valid. See [`Guard::lost`](crate::Guard::lost).
    pub fn lost(&self) -> Lost {
        Lost::new(&self.hold)
    }

    /// Marks `body` as running under this lock. A `reentrant` request for the same key inside of it
    /// joins the lock; any other fails with [`is_already_held`](crate::Error::is_already_held) instead of
    /// waiting for itself.
    ///
    /// If the lock is lost while the nodes could still keep it, as at the end of its `max_hold`,
    /// they keep it until the scope is dropped, for at most the rest of the ttl. So the next holder
    /// does not run beside a body that has not stopped yet.
    pub fn scope<F: Future>(&self, body: F) -> Scope<F> {
        self.scope_named(std::any::type_name::<F>(), body)
    }

    /// As [`scope`](Self::scope), with a name for the body in warnings.
    pub(crate) fn scope_named<F: Future>(&self, name: &'static str, body: F) -> Scope<F> {
        Scope::new(Arc::clone(&self.hold), name, body)
    }

    pub(crate) fn hold(&self) -> Arc<Hold> {
        Arc::clone(&self.hold)
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe(f, "Held", &self.hold)
    }
}

pub(super) fn describe(f: &mut fmt::Formatter<'_>, name: &str, hold: &Hold) -> fmt::Result {
    f.debug_struct(name)
        .field("key", &hold.lease().key().name())
        .field("token", &hold.token().get())
        .field("remaining", &hold.remaining())
        .finish_non_exhaustive()
}

/// Completes when a lock is no longer valid. Made by [`Guard::lost`](crate::Guard::lost).
#[must_use = "futures do nothing unless awaited"]
pub struct Lost {
    hold: Arc<Hold>,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Lost {
    pub(super) fn new(hold: &Arc<Hold>) -> Self {
        Self {
            hold: Arc::clone(hold),
            ended: Box::pin(Arc::clone(hold).ended()),
        }
    }
}

impl Future for Lost {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The clock is read first: timers are late after the runtime stalled or the machine slept.
        if !self.hold.is_open() {
            return Poll::Ready(());
        }
        self.ended.as_mut().poll(cx)
    }
}

impl fmt::Debug for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lost").finish_non_exhaustive()
    }
}
