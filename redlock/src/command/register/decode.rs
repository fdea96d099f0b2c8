//! Decoding that both commands of a register share.

use super::{
    super::{Answer, Reply, decode},
    RegisterAnswer, RegisterReply, Stored, Version,
};
use crate::{
    fault::{Fault, FaultKind},
    resp::{self, Value},
};

/// Decodes the replies that both commands have.
pub(super) fn common(reply: &Value) -> Answer {
    match decode::status(reply) {
        Some(("OK", [])) => answer(RegisterReply::Written),
        Some(("NEWER", [_])) => answer(RegisterReply::Newer),
        Some(("BADRECORD", [])) => Answer::failed(Fault::untouched(
            FaultKind::WrongType,
            "the register of the key contains a value that is not a register: delete it if it is not used otherwise",
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

/// The connection sets `remembers_since`, because it knows which node answered.
pub(super) fn answer(reply: RegisterReply) -> Answer {
    Answer::Vote(Reply::Register(RegisterAnswer {
        reply,
        remembers_since: i64::MAX,
    }))
}
