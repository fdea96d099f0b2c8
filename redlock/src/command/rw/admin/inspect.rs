//! Inspect: who holds a read/write lock, for how long, the highest token seen, and how many processes wait.

use crate::{
    command::{
        Answer, Delivery, Facts, NodeCommand, Purpose, Scope, Script, Step, decode, encode::Encoder,
    },
    key::Key,
    resp::Value,
};

#[derive(Clone, Copy, Debug)]
pub(crate) struct InspectSides;

impl NodeCommand for InspectSides {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "mget, pttl, time and zrange",
            needs_trust: false,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Other,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let (readers, writer) = (key.readers(), key.writer());
        let keys = [
            writer.lock(),
            writer.fence(),
            &writer.waiters(),
            readers.lock(),
            &readers.waiters(),
        ];
        out.script(Script::InspectSides, &keys);
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode::holders(reply).unwrap_or_else(|| decode::common(reply))
    }
}
