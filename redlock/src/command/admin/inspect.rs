//! Inspect: who holds the key, for how long, the highest token seen, and how many processes wait.

use super::super::{
    Answer, Delivery, Facts, HoldersState, NodeCommand, Purpose, Reply, Scope, Script, Step,
    decode, encode::Encoder,
};
use crate::{key::Key, resp::Value};

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
        out.script(Script::Inspect, &[key.lock(), key.fence(), &key.waiters()]);
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        let Value::Array(parts) = reply else {
            return Answer::unexpected(reply);
        };
        let [owner, left, fence, waiting] = parts.as_slice() else {
            return Answer::unexpected(reply);
        };
        Answer::Vote(Reply::Holders(HoldersState {
            holders: decode::holder(owner, left, fence).into_iter().collect(),
            waiting: decode::small(waiting),
        }))
    }
}
