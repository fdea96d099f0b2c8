//! Extend: raise the ttl of a reader, or restore it if it is missing.

use std::time::Duration;

use crate::{
    command::{
        Answer, Delivery, Facts, NodeCommand, Owner, Purpose, Scope, Script, Step, encode::Encoder,
        lock::decode_extend,
    },
    key::Key,
    resp::Value,
};

#[derive(Clone, Debug)]
pub(crate) struct ExtendRead {
    pub(crate) owner: Owner,
    pub(crate) ttl: Duration,
    pub(crate) token: u64,
}

impl NodeCommand for ExtendRead {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "mget, pexpire, pttl, set, time, zadd, zrange and zscore",
            needs_trust: true,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Renews,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let (readers, writer) = (key.readers(), key.writer());
        let keys = [
            readers.lock(),
            readers.fence(),
            writer.lock(),
            writer.fence(),
        ];
        out.guarded_script(Script::ExtendRead, Script::ExtendReadStrict, &keys)
            .arg(self.owner.as_bytes())
            .millis(self.ttl)
            .number(self.token)
            .retention()
            .marker();
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode_extend(reply)
    }

    fn ttl(&self) -> Option<Duration> {
        Some(self.ttl)
    }
}
