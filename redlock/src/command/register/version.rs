//! What a node stores in a register, and what it answers about it.

use std::fmt;

use super::super::{Answer, Reply, decode};
use crate::{
    fault::{Fault, FaultKind},
    resp::{self, Value},
};

/// The order of writes: by the token of the holder, then by the number of its write. The first one, 0, is what the holder
/// found and wrote back.
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
    /// Without the value, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("version", &self.version)
            .field("expires", &self.expires)
            .field("bytes", &self.value.as_ref().map(Vec::len))
            .finish()
    }
}

/// What a node answered to a command of a register.
#[derive(Clone, Debug)]
pub(crate) struct RegisterAnswer {
    pub(crate) reply: RegisterReply,
    /// Since when the node has forgotten nothing, in microseconds of the client's clock. `i64::MIN` if it never has.
    pub(crate) remembers_since: i64,
}

#[derive(Clone, Debug)]
pub(crate) enum RegisterReply {
    Read(Stored),
    Written,
    /// A later holder has read or written it.
    Newer,
}

/// Decodes the replies that both commands have.
pub(super) fn common(reply: &Value) -> Answer {
    match decode::status(reply) {
        Some(("OK", [])) => answer(RegisterReply::Written),
        Some(("NEWER", [_])) => answer(RegisterReply::Newer),
        Some(("BADRECORD", [])) => Answer::failed(Fault::untouched(
            FaultKind::WrongType,
            "the register of the key holds what none can be: delete it if it is not yours",
        )),
        _ => Answer::unexpected(reply),
    }
}

/// Decodes the version and the value that a node stores.
pub(super) fn stored(parts: &[Value]) -> Option<Stored> {
    let [token, seq, expires, value @ ..] = parts else {
        return None;
    };
    Some(Stored {
        version: Version {
            token: resp::number(token)?,
            seq: resp::number(seq)?,
        },
        expires: resp::number(expires)?,
        value: match value {
            [Value::BulkString(value)] => Some(value.clone()),
            _ => None,
        },
    })
}

/// Who answered is known to the connection, which says since when that node remembers.
pub(super) fn answer(reply: RegisterReply) -> Answer {
    Answer::Vote(Reply::Register(RegisterAnswer {
        reply,
        remembers_since: i64::MAX,
    }))
}
