//! The fault of one node, as part of an error.

use std::{fmt, time::Duration};

use crate::fault::{Fault, FaultKind};

/// The fault of one node.
#[derive(Clone)]
pub struct NodeError {
    node: String,
    kind: FaultKind,
    cause: String,
    /// The length of the part of the cause that does not name the key.
    keyless: usize,
    /// After this time the node votes again, if that is known.
    votes_in: Option<Duration>,
    /// The fault stays until somebody changes the node or the client.
    lasting: bool,
}

impl NodeError {
    pub(crate) fn of(node: &str, fault: &Fault) -> Self {
        let mut error = Self::new(node, fault.kind, fault.text.as_ref());
        error.votes_in = fault.votes_in;
        error.lasting = fault.lasting;
        if let Some(names) = &fault.names {
            error.cause.push_str(names);
        }
        error
    }

    pub(crate) fn new(node: &str, kind: FaultKind, cause: impl Into<String>) -> Self {
        let cause = cause.into();
        Self {
            node: node.to_owned(),
            kind,
            keyless: cause.len(),
            cause,
            votes_in: None,
            lasting: false,
        }
    }

    pub(super) fn votes_in(&self) -> Option<Duration> {
        self.votes_in
    }

    /// Whether waiting is useless.
    pub(crate) fn is_lasting(&self) -> bool {
        self.lasting
    }

    pub(crate) fn without_key(&self) -> &str {
        &self.cause[..self.keyless]
    }

    /// The node's address, without a password.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The class of the fault.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// Why the node had no vote, in words.
    #[must_use]
    pub fn cause(&self) -> &str {
        &self.cause
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.node, self.cause)
    }
}

impl fmt::Debug for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeError")
            .field("node", &self.node)
            .field("kind", &self.kind)
            .field("cause", &self.cause)
            .finish()
    }
}
