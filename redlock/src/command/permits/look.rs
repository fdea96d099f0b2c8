//! Look at a semaphore: which of its permits are free. The nodes remember the number of permits.

use std::time::Duration;

use super::super::{
    Answer, Delivery, Facts, NodeCommand, PermitState, Purpose, Reply, Scope, Script, Step, decode,
    encode::Encoder,
};
use crate::{
    fault::{Fault, FaultKind},
    key::Key,
    resp::{self, Value},
};

#[derive(Clone, Copy, Debug)]
pub(crate) struct LookPermits {
    /// The number of permits of the semaphore.
    pub(crate) permits: u16,
    /// How long the nodes remember that number.
    pub(crate) kept: Duration,
}

impl NodeCommand for LookPermits {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "mget, pexpire and set",
            needs_trust: false,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Other,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let permits: Vec<Key> = (0..self.permits).map(|number| key.permit(number)).collect();
        let mut keys = vec![key.lock()];
        keys.extend(permits.iter().map(Key::lock));
        out.script(Script::LookPermits, &keys)
            .number(self.permits.into())
            .millis(self.kept);
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        let state = match decode::status(reply) {
            Some(("FREE", [free])) => {
                let free = resp::word(free).unwrap_or_default().bytes();
                PermitState::Free(free.map(|digit| digit == b'1').collect())
            }
            _ => return other_permits(reply).unwrap_or_else(|| decode::common(reply)),
        };
        Answer::Vote(Reply::Permits(state))
    }
}

/// Other clients use another number of permits, or the key of the number holds none. `None`: another reply.
pub(super) fn other_permits(reply: &Value) -> Option<Answer> {
    let ("PERMITS", [value]) = decode::status(reply)? else {
        return None;
    };
    let number = resp::word(value).filter(|value| is_number(value));
    Some(match number {
        Some(number) => Answer::Vote(Reply::Permits(PermitState::Other(number.to_owned()))),
        None => Answer::failed(foreign()),
    })
}

/// Whether a client may have written it. Later versions may permit more permits than this one.
fn is_number(value: &str) -> bool {
    let is_canonical = !value.starts_with('0');
    is_canonical
        && (1..=9).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// The value is the user's and is not part of the text.
fn foreign() -> Fault {
    Fault::untouched(
        FaultKind::WrongType,
        "the key of its number of permits (its name and `{}:permits`) holds a value of another program, such as a text, a \
         hash or a list: delete it, or choose another name",
    )
}
