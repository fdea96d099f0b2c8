//! Why there is no lock.

use redlock::Error;
use std::fmt;

/// Whether the nodes are at fault: nobody can say who holds the lock.
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
