//! Release: remove a reader, and make its late commands stale.

use crate::{
    command::{
        Answer, Delivery, Facts, NodeCommand, Owner, Purpose, Scope, Script, Step, encode::Encoder,
        lock::decode_release,
    },
    key::Key,
    resp::Value,
};

#[derive(Clone, Debug)]
pub(crate) struct ReleaseRead {
    pub(crate) owner: Owner,
    pub(crate) tombstone: u64,
}

impl NodeCommand for ReleaseRead {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "mget, set, time, zrange and zrem",
            needs_trust: false,
            delivery: Delivery::UntilDone,
            purpose: Purpose::Ends,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let (readers, writer) = (key.readers(), key.writer());
        let keys = [
            readers.lock(),
            readers.fence(),
            writer.lock(),
            writer.waiters(),
        ];
        out.script(Script::ReleaseRead, &keys)
            .arg(self.owner.as_bytes())
            .channel()
            .number(self.tombstone)
            .retention();
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode_release(reply)
    }
}
