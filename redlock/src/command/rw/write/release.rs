//! Release: remove a writer, and make its late commands stale.

use crate::{
    command::{
        Answer, Delivery, Facts, NodeCommand, Owner, Purpose, Scope, Script, Step, encode::Encoder,
        lock::decode_release,
    },
    key::Key,
    resp::Value,
};

#[derive(Clone, Debug)]
pub(crate) struct ReleaseWrite {
    pub(crate) owner: Owner,
    pub(crate) tombstone: u64,
}

impl NodeCommand for ReleaseWrite {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "del, mget and set",
            needs_trust: false,
            delivery: Delivery::UntilDone,
            purpose: Purpose::Ends,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let (readers, writer) = (key.readers(), key.writer());
        let keys = [
            writer.lock(),
            writer.fence(),
            writer.waiters(),
            readers.lock(),
            readers.waiters(),
        ];
        out.script(Script::ReleaseWrite, &keys)
            .arg(self.owner.as_bytes())
            .channel()
            .number(self.tombstone)
            .retention();
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode_release(reply)
    }
}
