//! The error of a [`LockService`](super::LockService).

use std::{error::Error, fmt};

/// Error of a [`LockService`](super::LockService).
#[derive(Debug)]
#[non_exhaustive]
pub enum LockError<E> {
    /// The lock was not acquired. The request did not run.
    Lock(redlock::Error),
    /// More requests wait than `max_waiters` allows. The request did not run.
    TooManyWaiters,
    /// The lock was lost while the request ran, and the request was cancelled. How far it got is unknown.
    Lost,
    /// A newer request with the same key was made, and the newest wins: see
    /// [`newest_wins`](crate::LockLayer::newest_wins). This one did not run, or was cancelled.
    Superseded,
    /// The error of the inner service.
    Inner(E),
}

impl<E> From<redlock::Error> for LockError<E> {
    fn from(error: redlock::Error) -> Self {
        if error.is_too_many_waiters() {
            Self::TooManyWaiters
        } else if error.is_superseded() {
            Self::Superseded
        } else {
            Self::Lock(error)
        }
    }
}

impl<E: fmt::Display> fmt::Display for LockError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock(error) => write!(f, "the request did not run: {error}"),
            Self::TooManyWaiters => f.write_str(
                "the request did not run: too many requests wait for their locks already",
            ),
            Self::Lost => {
                f.write_str("the request was cancelled, because its lock was lost while it ran")
            }
            Self::Superseded => f.write_str(
                "the request did not run or was cancelled, because a newer one was made",
            ),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for LockError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Lock(error) => Some(error),
            Self::Inner(error) => error.source(),
            Self::TooManyWaiters | Self::Lost | Self::Superseded => None,
        }
    }
}
