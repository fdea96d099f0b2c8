//! Force release: remove a writer or readers if they are those that were seen, and make what they may still send stale.
//!
//! A holder that came later keeps the lock: the command may be delivered twice, or late.

use std::sync::Arc;

use crate::{
    command::{
        Answer, Delivery, Facts, NodeCommand, Owner, Purpose, Scope, Script, Step, decode,
        encode::Encoder,
    },
    key::Key,
    resp::Value,
};

#[derive(Clone, Debug)]
pub(crate) struct ForceReleaseSides {
    /// The owner that notifications to waiters name.
    pub(crate) by: Owner,
    /// Above every token of the writer that was seen. `None`: it is about readers.
    pub(crate) write_tombstone: Option<u64>,
    /// The same for the readers.
    pub(crate) read_tombstone: Option<u64>,
    /// The owners that were seen. An empty one stands for every writer whose value is longer than [`Owner::MAX_LEN`].
    pub(crate) from: Arc<[Vec<u8>]>,
}

impl NodeCommand for ForceReleaseSides {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "del, mget, set, time, zrange, zrem and zscore",
            needs_trust: false,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Ends,
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
            readers.fence(),
            &readers.waiters(),
        ];
        let out = out
            .script(Script::ForceReleaseSides, &keys)
            .retention()
            .channel()
            .arg(self.by.as_bytes());
        for tombstone in [self.write_tombstone, self.read_tombstone] {
            match tombstone {
                Some(tombstone) => out.number(tombstone),
                None => out.arg(""),
            };
        }
        out.args(self.from.iter());
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode::common(reply)
    }
}
