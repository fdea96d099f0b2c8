//! Inspect: who holds the key, for how long, the highest token seen, and how many processes wait.

use std::time::Duration;

use super::super::{
    Answer, Delivery, Facts, KeyState, NodeCommand, Purpose, Scope, Script, Step, decode,
    encode::Encoder,
};
use crate::{
    key::Key,
    resp::{self, Value},
};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Inspect;

impl NodeCommand for Inspect {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "mget, pttl and zrange",
            needs_trust: false,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Other,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        out.script(Script::Inspect, &[key.lock(), key.fence(), key.waiters()]);
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        let Value::Array(parts) = reply else {
            return Answer::unexpected(reply);
        };
        let [owner, left, fence, waiting] = parts.as_slice() else {
            return Answer::unexpected(reply);
        };
        Answer::Saw(KeyState {
            owner: match owner {
                Value::BulkString(bytes) => Some(bytes.clone()),
                _ => None,
            },
            left: match left {
                Value::Int(left) => decode::millis(*left),
                _ => Duration::ZERO,
            },
            fence: resp::number(fence).unwrap_or(0),
            waiting: match waiting {
                Value::Int(waiting) => u32::try_from(*waiting).unwrap_or(0),
                _ => 0,
            },
        })
    }
}
