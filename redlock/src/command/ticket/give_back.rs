//! Give back: after a failed adoption, the ticket's owner holds the lock again.

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
    /// The remaining time of the ticket.
    pub(crate) left: Duration,
    /// When the ticket expires.
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

    /// The same with the remaining time of the ticket, or a release once the ticket has expired.
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
