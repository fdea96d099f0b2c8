//! Adopt: take over a detached lock on each node where the ticket's owner still holds it.

use std::time::Duration;

use super::super::{
    Answer, Delivery, Facts, NodeCommand, Owner, Purpose, Reply, Scope, Script, Step,
    encode::Encoder, lock::decode_acquire,
};
use crate::{command::decode, key::Key, resp::Value};

#[derive(Clone, Debug)]
pub(crate) struct Adopt {
    pub(crate) owner: Owner,
    pub(crate) ttl: Duration,
    pub(crate) token: u64,
    /// The owner and the highest token of the hold that was detached.
    pub(crate) from: Owner,
    pub(crate) from_token: u64,
}

impl NodeCommand for Adopt {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "mget, pttl and set",
            needs_trust: true,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Begins,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let keys = [key.lock(), key.fence()];
        out.guarded_script(Script::Adopt, Script::AdoptStrict, &keys)
            .arg(self.owner.as_bytes())
            .millis(self.ttl)
            .number(self.token)
            .retention()
            .arg(self.from.as_bytes())
            .number(self.from_token)
            .marker();
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        match decode::status(reply) {
            Some(("GONE", [])) => Answer::Vote(Reply::Gone),
            _ => decode_acquire(reply),
        }
    }

    fn ttl(&self) -> Option<Duration> {
        Some(self.ttl)
    }
}
