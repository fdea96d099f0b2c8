//! Acquire: add a reader or make a client the writer, together with its tokens, in one step.

use std::time::Duration;

use super::{
    super::{
        Answer, Delivery, Facts, Inbox, NodeCommand, Owner, Purpose, Scope, Step,
        encode::{Encoder, whole},
        lock::decode_acquire,
    },
    Side,
};
use crate::{key::Key, resp::Value};

#[derive(Clone, Debug)]
pub(crate) struct AcquireSide {
    pub(crate) side: Side,
    pub(crate) owner: Owner,
    pub(crate) ttl: Duration,
    pub(crate) token: u64,
    /// The last token to reserve. A reader reserves one.
    pub(crate) last: u64,
    /// The inbox to notify when the other side has released the lock.
    pub(crate) inbox: Option<Inbox>,
}

const fn facts(rights: &'static str) -> Facts {
    Facts {
        rights,
        needs_trust: true,
        delivery: Delivery::WhileWanted,
        purpose: Purpose::Begins,
        scope: Scope::Key,
    }
}

impl NodeCommand for AcquireSide {
    fn facts(&self) -> &'static Facts {
        match self.side {
            Side::Read => {
                const { &facts("del, mget, pexpire, pttl, set, time, zadd and zremrangebyscore") }
            }
            Side::Write => const { &facts("del, mget, pexpire, pttl, set, time and zrange") },
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let inbox = self.inbox.as_ref();
        let (inbox, since) = inbox.map_or(("", 0), |inbox| (&*inbox.name, inbox.since));
        let ([own, other], intent) = (self.side.keys(key), key.intent());
        let keys = [
            whole(own.lock()),
            whole(own.fence()),
            whole(other.lock()),
            whole(other.fence()),
            whole(&intent),
            own.waiters_in_parts(),
        ];
        let [script, strict] = self.side.acquire_scripts();
        let out = out
            .guarded_script(script, strict, &keys)
            .arg(self.owner.as_bytes())
            .millis(self.ttl)
            .number(self.token)
            .retention();
        if self.side == Side::Write {
            out.number(self.last);
        }
        out.arg(inbox).number(since).marker();
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode_acquire(reply)
    }

    fn ttl(&self) -> Option<Duration> {
        Some(self.ttl)
    }
}
