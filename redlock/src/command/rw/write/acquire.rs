//! Acquire: make a client the writer, together with its tokens, in one step.

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
pub(crate) struct AcquireWrite {
    pub(crate) owner: Owner,
    pub(crate) ttl: Duration,
    pub(crate) token: u64,
    /// The last token to reserve.
    pub(crate) last: u64,
    /// The inbox to notify when the lock is free.
    pub(crate) inbox: Option<Inbox>,
}

impl NodeCommand for AcquireWrite {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "del, mget, pexpire, pttl, set, time and zrange",
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
            writer.lock(),
            writer.fence(),
            readers.lock(),
            readers.fence(),
            &intent,
            writer.waiters(),
        ];
        out.guarded_script(Script::AcquireWrite, Script::AcquireWriteStrict, &keys)
            .arg(self.owner.as_bytes())
            .millis(self.ttl)
            .number(self.token)
            .retention()
            .number(self.last)
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
