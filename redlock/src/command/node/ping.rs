//! Ping: whether the node answers, and under the strict restart guard whether it votes.

use super::super::{
    Answer, Delivery, Facts, NodeCommand, Purpose, Reply, Scope, Script, Step, decode,
    encode::Encoder,
};
use crate::{key::Key, resp::Value};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ping;

impl NodeCommand for Ping {
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
        match out.session().marker {
            Some(_) => out
                .guarded_script(Script::PingStrict, Script::PingStrict, &[""; 0])
                .marker(),
            None => out.arg("PING"),
        };
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode_pong(reply)
    }
}

pub(crate) fn decode_pong(reply: &Value) -> Answer {
    match decode::status(reply) {
        Some(("PONG", [])) => Answer::Vote(Reply::Yes),
        _ => decode::common(reply),
    }
}
