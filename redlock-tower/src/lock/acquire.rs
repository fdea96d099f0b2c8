//! Getting the lock, or knowing why not.

use super::waiters::Waiting;
use redlock::{Acquire, Error, Guard, LockRequest};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Why there is no lock.
#[derive(Debug)]
pub(crate) enum Refused {
    TooManyWaiters,
    Lock(Error),
}

impl Refused {
    /// The nodes' fault, if it is theirs: nobody can say who holds the lock.
    pub(crate) fn outage(&self) -> Option<&Error> {
        match self {
            Self::Lock(error) => Some(error).filter(|error| is_outage(error)),
            Self::TooManyWaiters => None,
        }
    }
}

pub(crate) fn is_outage(error: &Error) -> bool {
    error.is_no_quorum() || error.is_expired()
}

/// An error for logs: its kind and the nodes' causes, and not its key, which may be a secret.
pub(crate) struct Keyless<'a>(pub(crate) &'a Error);

impl fmt::Display for Keyless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.kind())?;
        for (i, node) in self.0.node_errors().iter().enumerate() {
            write!(f, "{} {node}", if i == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

/// The lock on its way; dropped, it takes nothing along.
#[derive(Debug)]
pub(crate) struct Acquiring {
    acquire: Acquire,
    /// None where it is one look.
    _place: Option<Waiting>,
}

impl Acquiring {
    pub(super) fn new(request: LockRequest, place: Option<Waiting>) -> Self {
        Self {
            acquire: request.into_future(),
            _place: place,
        }
    }
}

impl Future for Acquiring {
    type Output = Result<Guard, Refused>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let acquired = ready!(Pin::new(&mut self.acquire).poll(cx));
        Poll::Ready(acquired.map_err(Refused::Lock))
    }
}
