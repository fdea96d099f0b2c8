//! What the decoders of commands share. A server may send anything: nothing here panics.

use std::time::Duration;

use super::{HolderState, HoldersState, Reply, Step, TOKEN_LIMIT};
use crate::{
    fault::{Fault, FaultKind},
    key::FENCE,
    resp::{self, Value},
};

/// The meaning of a reply for the request.
#[derive(Debug)]
pub(crate) enum Answer {
    Vote(Reply),
    /// The request takes a further step.
    Next(Step),
}

impl Answer {
    pub(super) fn failed(fault: Fault) -> Self {
        Self::Vote(Reply::Failed(fault))
    }

    pub(super) fn unexpected(reply: &Value) -> Self {
        Self::failed(resp::unexpected(reply))
    }

    /// Whether somebody holds the key, or a plain `SET NX` was refused.
    pub(crate) fn shows_a_holder(&self) -> bool {
        match self {
            Self::Vote(Reply::Holders(state)) => !state.holders.is_empty(),
            Self::Vote(reply) => matches!(reply, Reply::Held { .. }),
            Self::Next(step) => step.asks_holder,
        }
    }
}

/// The status and the values of a script's reply: a simple string, or an array that begins with one.
pub(super) fn status(reply: &Value) -> Option<(&str, &[Value])> {
    match reply {
        Value::Okay => Some(("OK", &[])),
        Value::SimpleString(status) => Some((status, &[])),
        Value::Array(parts) => {
            let (status, rest) = parts.split_first()?;
            Some((resp::word(status)?, rest))
        }
        _ => None,
    }
}

/// Decodes the replies that every script may have.
pub(super) fn common(reply: &Value) -> Answer {
    let Some((status, values)) = status(reply) else {
        return Answer::unexpected(reply);
    };
    let first = || values.first().and_then(resp::word).unwrap_or_default();
    match (status, values) {
        ("OK", []) => Answer::Vote(Reply::Yes),
        ("QUARANTINED", [Value::Int(left)]) => Answer::Vote(Reply::Quarantined {
            left: millis(*left),
        }),
        ("MAXTTL", _) => Answer::failed(other_max_ttl(first())),
        ("EPOCH", _) => Answer::failed(outdated()),
        ("NOEXPIRY", _) => Answer::failed(no_expiry()),
        ("BADFENCE", _) => Answer::failed(bad_fence()),
        ("WRONGTYPE", _) => Answer::failed(wrong_type(first())),
        _ => Answer::unexpected(reply),
    }
}

/// The holders of several keys. `None`: another reply.
pub(super) fn holders(reply: &Value) -> Option<Answer> {
    let ("HOLDERS", [waiting, holders @ ..]) = status(reply)? else {
        return None;
    };
    let holders = holders.chunks_exact(4).filter_map(|parts| {
        let [place, owner, left, fence] = parts else {
            return None;
        };
        Some(HolderState {
            place: small(place),
            ..holder(owner, left, fence)?
        })
    });
    Some(Answer::Vote(Reply::Holders(HoldersState {
        holders: holders.collect(),
        waiting: small(waiting),
    })))
}

/// One holder. `None`: nobody.
pub(super) fn holder(owner: &Value, left: &Value, token: &Value) -> Option<HolderState> {
    let Value::BulkString(owner) = owner else {
        return None;
    };
    Some(HolderState {
        place: 0,
        owner: owner.clone(),
        left: match left {
            Value::Int(left) => millis(*left),
            _ => Duration::ZERO,
        },
        fence: fence(token).unwrap_or(0),
    })
}

/// A number that is small and not negative, otherwise 0.
pub(super) fn small(value: &Value) -> u32 {
    match value {
        Value::Int(number) => u32::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}

/// A PTTL. A key in its last millisecond has 0, and one that just expired -2.
pub(super) fn millis(left: i64) -> Duration {
    Duration::from_millis(u64::try_from(left).unwrap_or(0))
}

/// A fence, if a token can be above it.
pub(super) fn fence(value: &Value) -> Option<u64> {
    resp::number(value).filter(|fence| *fence < TOKEN_LIMIT)
}

pub(super) fn no_expiry() -> Fault {
    Fault::untouched(
        FaultKind::NoExpiry,
        "the key has no expiry, so it is not a lock and will never be free: delete it or choose another key",
    )
}

/// The content of the fence is the user's and is not part of the text.
pub(super) fn bad_fence() -> Fault {
    Fault::untouched(
        FaultKind::BadFence,
        "the fence holds what no token can be: delete it if it is not yours",
    )
}

/// `key` is the key that the script could not use.
fn wrong_type(key: &str) -> Fault {
    let (which, remedy) = if key.ends_with(FENCE) {
        ("fence", "no token: delete it if it is not yours")
    } else {
        ("key", "not a lock: choose another key")
    };
    Fault::untouched(
        FaultKind::WrongType,
        format!("the {which} holds a hash, a list or the like, {remedy}"),
    )
}

/// Other clients of the node use another `max_ttl`, which their `marker` contains.
pub(super) fn other_max_ttl(marker: &str) -> Fault {
    let theirs = marker.split(' ').nth(1).unwrap_or("?");
    Fault::untouched(
        FaultKind::OtherMaxTtl,
        format!(
            "other clients use this node with a max_ttl of {theirs} ms: give all clients the same"
        ),
    )
}

/// The node became the master by a later election than this client knows.
fn outdated() -> Fault {
    Fault::unknown(
        FaultKind::Quarantined,
        "it became the master by an election that this client does not know yet; if the sentinels forgot it \
         (SENTINEL REMOVE, or others in their place), vouch for the node by Redlock::trust_nodes once no lock is held",
    )
}
