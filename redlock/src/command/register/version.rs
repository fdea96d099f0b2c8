//! The content of a register, and the answers of a node about it.

use std::fmt;

/// The order of writes: by the token of the holder, then by the number of the write. Number 0 is
/// the value that the holder found and wrote back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) token: u64,
    pub(crate) seq: u64,
}

/// A version and its value.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) version: Version,
    /// When the value expires, in milliseconds since 1970.
    pub(crate) expires: u64,
    pub(crate) value: Option<Vec<u8>>,
}

impl fmt::Debug for Stored {
    /// Omits the value, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("version", &self.version)
            .field("expires", &self.expires)
            .field("bytes", &self.value.as_ref().map(Vec::len))
            .finish()
    }
}

/// The answer of a node to a command of a register.
#[derive(Clone, Debug)]
pub(crate) struct RegisterAnswer {
    pub(crate) reply: RegisterReply,
    /// Since when the node has forgotten nothing, in microseconds of the client's clock. `i64::MIN`
    /// if it never has.
    pub(crate) remembers_since: i64,
}

#[derive(Clone, Debug)]
pub(crate) enum RegisterReply {
    Read(Stored),
    Written,
    /// A later holder has read or written the register.
    Newer,
}
