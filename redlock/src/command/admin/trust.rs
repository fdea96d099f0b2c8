//! Trust: an operator declares that the node has forgotten no lock, which ends its quarantine.

use super::super::{
    Answer, Delivery, Facts, NodeCommand, Purpose, Scope, Script, Step, encode::Encoder,
    node::decode_pong,
};
use crate::{key::Key, resp::Value};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Trust;

impl NodeCommand for Trust {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "del, get, pttl and set",
            needs_trust: false,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Other,
            scope: Scope::Node,
        }
    }

    fn encode(&self, _: &Key, out: &mut Encoder<'_, '_>) {
        match &out.session().marker {
            Some(marker) => out
                .script(Script::Trust, &[&marker.key, &marker.quarantine_key])
                .arg(&marker.value),
            None => out.arg("PING"),
        };
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode_pong(reply)
    }
}
