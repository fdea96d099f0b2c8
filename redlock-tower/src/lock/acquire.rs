//! Why there is no lock.

use redlock::Error;
use std::fmt;

/// Whether the nodes are at fault: nobody can say who holds the lock.
pub(crate) fn is_outage(error: &Error) -> bool {
    error.is_no_quorum() || error.is_expired()
}

/// An error for logs, without its key, which may be a secret.
pub(crate) struct Keyless<'a>(pub(crate) &'a Error);

impl fmt::Display for Keyless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.without_key().fmt(f)
    }
}
