//! Cool-down: end a hold but keep the key busy for a window, under the value of a cool-down.

use std::time::Duration;

use super::super::{
    Answer, Command, Delivery, Facts, NodeCommand, Owner, Purpose, Release, Reply, Scope, Script,
    Step, decode,
    encode::{Encoder, fenced},
};
use crate::{env::clock::Instant, key::Key, resp::Value};

#[derive(Clone, Debug)]
pub(crate) struct CoolDown {
    pub(crate) owner: Owner,
    /// The value of the cool-down.
    pub(crate) next: Owner,
    /// For how long the key stays busy after the command arrives.
    pub(crate) window: Duration,
    /// When the window ends, even if the command arrives late.
    pub(crate) until: Instant,
    pub(crate) tombstone: Option<u64>,
}

impl NodeCommand for CoolDown {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "get, mget, pttl and set",
            needs_trust: true,
            delivery: Delivery::UntilDone,
            purpose: Purpose::Ends,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let keys = [key.lock(), key.waiters(), key.fence()];
        let keys = fenced(&keys, self.tombstone.is_some());
        match self.tombstone {
            Some(_) => out.guarded_script(Script::CoolDown, Script::CoolDownStrict, keys),
            None => out.script(Script::CoolDown, keys),
        };
        out.arg(self.owner.as_bytes())
            .arg(self.next.as_bytes())
            .millis(self.window)
            .channel()
            .fence(self.tombstone)
            .marker();
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        match decode::status(reply) {
            Some(("GONE", [])) => Answer::Vote(Reply::Gone),
            _ => decode::common(reply),
        }
    }

    /// The rest of the window, or a release once it is over.
    fn deferred(&self, now: Instant) -> Option<Command> {
        let window = self.until.saturating_since(now);
        Some(match window.is_zero() {
            true => Command::Release(Release {
                owner: self.owner,
                tombstone: self.tombstone,
            }),
            false => Command::CoolDown(Self {
                window,
                ..self.clone()
            }),
        })
    }
}
