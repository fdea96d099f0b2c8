//! Acquire: add a reader, together with its token, in one step.

use std::time::Duration;

use crate::{
    command::{
        Answer, Delivery, Facts, Inbox, NodeCommand, Owner, Purpose, Scope, Script, Step,
        encode::Encoder, lock::decode_acquire,
    },
    key::Key,
    resp::Value,
};

#[derive(Clone, Debug)]
pub(crate) struct AcquireRead {
    pub(crate) owner: Owner,
    pub(crate) ttl: Duration,
    pub(crate) token: u64,
    /// The inbox to notify when there is no writer.
    pub(crate) inbox: Option<Inbox>,
}

impl NodeCommand for AcquireRead {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "mget, pexpire, pttl, set, time, zadd, zrange and zremrangebyscore",
            needs_trust: true,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Begins,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let inbox = self.inbox.as_ref();
        let (inbox, since) = inbox.map_or(("", 0), |inbox| (&*inbox.name, inbox.since));
        let (readers, writer, intent) = (key.readers(), key.writer(), key.intent());
        let keys = [
            readers.lock(),
            readers.fence(),
            writer.lock(),
            writer.fence(),
            &intent,
            readers.waiters(),
        ];
        out.guarded_script(Script::AcquireRead, Script::AcquireReadStrict, &keys)
            .arg(self.owner.as_bytes())
            .millis(self.ttl)
            .number(self.token)
            .retention()
            .arg(inbox)
            .number(since)
            .marker();
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode_acquire(reply)
    }

    fn ttl(&self) -> Option<Duration> {
        Some(self.ttl)
    }
}
