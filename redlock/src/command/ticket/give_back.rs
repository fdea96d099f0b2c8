//! Give back: after an adoption that failed, the lock is the ticket's again.

use std::time::Duration;

use super::super::{
    Answer, Command, Delivery, Facts, NodeCommand, Owner, Purpose, Release, Scope, Script, Step,
    decode, encode::Encoder,
};
use crate::{env::clock::Instant, key::Key, resp::Value};

#[derive(Clone, Debug)]
pub(crate) struct GiveBack {
    pub(crate) owner: Owner,
    /// The owner of the hold that was detached.
    pub(crate) to: Owner,
    /// What is left of the ticket on arrival.
    pub(crate) left: Duration,
    /// When the ticket is over, however late this arrives.
    pub(crate) until: Instant,
    pub(crate) tombstone: u64,
}

impl NodeCommand for GiveBack {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "mget, pexpire, pttl and set",
            needs_trust: false,
            delivery: Delivery::UntilDone,
            purpose: Purpose::Ends,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        out.script(Script::GiveBack, &[key.lock(), key.fence()])
            .arg(self.owner.as_bytes())
            .arg(self.to.as_bytes())
            .millis(self.left)
            .number(self.tombstone)
            .retention();
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode::common(reply)
    }

    /// For what is left of the ticket, or a release once it is over.
    fn deferred(&self, now: Instant) -> Option<Command> {
        let left = self.until.saturating_since(now);
        Some(match left.is_zero() {
            true => Command::Release(Release {
                owner: self.owner,
                tombstone: Some(self.tombstone),
            }),
            false => Command::GiveBack(Self {
                left,
                ..self.clone()
            }),
        })
    }
}
