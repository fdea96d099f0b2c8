//! Extend: raise the ttl of a reader or a writer, or restore it if it is missing.

use std::time::Duration;

use super::{
    super::{
        Answer, Delivery, Facts, NodeCommand, Owner, Purpose, Scope, Step, encode::Encoder,
        lock::decode_extend,
    },
    Side,
};
use crate::{key::Key, resp::Value};

#[derive(Clone, Debug)]
pub(crate) struct ExtendSide {
    pub(crate) side: Side,
    pub(crate) owner: Owner,
    pub(crate) ttl: Duration,
    /// The last token that a majority has confirmed.
    pub(crate) token: u64,
    /// The last token that is asked for. Readers have one token.
    pub(crate) last: u64,
}

const fn facts(rights: &'static str) -> Facts {
    Facts {
        rights,
        needs_trust: true,
        delivery: Delivery::WhileWanted,
        purpose: Purpose::Renews,
        scope: Scope::Key,
    }
}

impl NodeCommand for ExtendSide {
    fn facts(&self) -> &'static Facts {
        match self.side {
            Side::Read => {
                const { &facts("del, mget, pexpire, pttl, set, time, zadd, zremrangebyscore and zscore") }
            }
            Side::Write => const { &facts("del, mget, pexpire, pttl, set, time and zrange") },
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let [own, other] = self.side.keys(key);
        let keys = [own.lock(), own.fence(), other.lock(), other.fence()];
        let [script, strict] = self.side.extend_scripts();
        out.guarded_script(script, strict, &keys)
            .arg(self.owner.as_bytes())
            .millis(self.ttl)
            .number(self.token)
            .retention();
        if self.side == Side::Write {
            out.number(self.last);
        }
        out.marker();
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode_extend(reply)
    }

    fn ttl(&self) -> Option<Duration> {
        Some(self.ttl)
    }
}
