//! Why there is no lock.

use redlock::Error;

/// Whether the nodes are at fault: nobody can say who holds the lock.
pub(crate) fn is_outage(error: &Error) -> bool {
    error.is_no_quorum() || error.is_expired()
}
