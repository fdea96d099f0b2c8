//! Probe: whether the node would vote, found out without a lock. A node that answers a PING may refuse every write.

use super::super::{
    Answer, Delivery, Facts, NodeCommand, Purpose, Scope, Script, Step, decode, encode::Encoder,
};
use crate::{key::Key, resp::Value};

/// Its key is a [`Key::probe`], which nobody writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    /// Whether locks have fences.
    pub(crate) fencing: bool,
}

impl NodeCommand for Probe {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "del, get, mget, pttl and set",
            // Its yes grants nothing, and an operator may ask one node alone.
            needs_trust: false,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Other,
            scope: Scope::Node,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        out.guarded_script(Script::Probe, Script::ProbeStrict, &[key.lock()])
            .number(self.fencing.into())
            .marker();
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode::common(reply)
    }
}
