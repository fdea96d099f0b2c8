//! An error type of a service.

use std::fmt;

/// The error of a service, which is made from that of the lock.
#[derive(Debug)]
pub(crate) enum AppError {
    Lock(redlock::Error),
    Own(&'static str),
}

impl AppError {
    /// The error of the lock.
    pub(crate) fn lock(self) -> redlock::Error {
        match self {
            Self::Lock(error) => error,
            Self::Own(text) => panic!("not an error of the lock: {text}"),
        }
    }
}

impl From<redlock::Error> for AppError {
    fn from(error: redlock::Error) -> Self {
        Self::Lock(error)
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock(error) => error.fmt(f),
            Self::Own(text) => text.fmt(f),
        }
    }
}

impl std::error::Error for AppError {}
