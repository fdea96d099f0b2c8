//! Release: remove a reader or a writer, and make its late commands stale.

use super::{
    super::{
        Answer, Delivery, Facts, NodeCommand, Owner, Purpose, Scope, Script, Step,
        encode::{Encoder, whole},
        lock::decode_release,
    },
    Side,
};
use crate::{key::Key, resp::Value};

#[derive(Clone, Debug)]
pub(crate) struct ReleaseSide {
    pub(crate) side: Side,
    pub(crate) owner: Owner,
    pub(crate) tombstone: u64,
}

const fn facts(rights: &'static str) -> Facts {
    Facts {
        rights,
        needs_trust: false,
        delivery: Delivery::UntilDone,
        purpose: Purpose::Ends,
        scope: Scope::Key,
    }
}

impl NodeCommand for ReleaseSide {
    fn facts(&self) -> &'static Facts {
        match self.side {
            Side::Read => const { &facts("del, mget, set, time, zrange, zrem and zscore") },
            Side::Write => const { &facts("del, mget and set") },
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let [own, other] = self.side.keys(key);
        // Writers wait for readers and for writers, readers only for writers.
        let out = match self.side {
            Side::Read => {
                let keys = [
                    whole(own.lock()),
                    whole(own.fence()),
                    whole(other.lock()),
                    other.waiters_in_parts(),
                ];
                out.script(Script::ReleaseRead, &keys)
            }
            Side::Write => {
                let keys = [
                    whole(own.lock()),
                    whole(own.fence()),
                    own.waiters_in_parts(),
                    whole(other.lock()),
                    other.waiters_in_parts(),
                ];
                out.script(Script::ReleaseWrite, &keys)
            }
        };
        out.arg(self.owner.as_bytes())
            .channel()
            .number(self.tombstone)
            .retention();
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode_release(reply)
    }
}
