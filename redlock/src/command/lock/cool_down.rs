//! Cool-down: end a hold but keep the key busy for a window, under the value of a cool-down.

use std::time::Duration;

use super::super::{
    Answer, Command, Delivery, Facts, NodeCommand, Owner, Purpose, Reply, Scope, Script, Step,
    decode,
    encode::{Encoder, fenced},
};
use crate::{env::clock::Instant, key::Key, resp::Value};

#[derive(Clone, Debug)]
pub(crate) struct CoolDown {
    pub(crate) owner: Owner,
    /// The value of the cool-down.
    pub(crate) next: Owner,
    /// For how long the key stays busy after the command arrives. Zero: the window is over, and the key is released.
    pub(crate) window: Duration,
    /// When the window ends, even if the command arrives late.
    pub(crate) until: Instant,
    /// The hold is that of the writer of a read/write lock: readers wait for it too.
    pub(crate) of_writer: bool,
    /// It was deferred: the window is what was left of the whole one.
    pub(crate) is_rest: bool,
    pub(crate) tombstone: Option<u64>,
}

impl NodeCommand for CoolDown {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "del, get, mget, pexpire, pttl and set",
            needs_trust: true,
            delivery: Delivery::UntilDone,
            purpose: Purpose::Ends,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let readers = self.of_writer.then(|| key.readers());
        let other = readers.as_ref().unwrap_or(key);
        let keys = [
            key.lock(),
            &key.waiters(),
            other.lock(),
            &other.waiters(),
            key.fence(),
        ];
        let keys = fenced(&keys, self.tombstone.is_some());
        match self.tombstone {
            Some(_) => out.guarded_script(Script::CoolDown, Script::CoolDownStrict, keys),
            None => out.script(Script::CoolDown, keys),
        };
        out.arg(self.owner.as_bytes()).arg(self.next.as_bytes());
        match self.window.is_zero() {
            true => out.number(0),
            false => out.millis(self.window),
        }
        .channel()
        .fence(self.tombstone)
        .marker();
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        match decode::status(reply) {
            Some(("GONE", [])) => Answer::Vote(Reply::Gone),
            Some(("WOKE", [])) => Answer::Vote(Reply::Notified),
            _ => decode::common(reply),
        }
    }

    /// The rest of the window.
    fn deferred(&self, now: Instant) -> Option<Command> {
        let rest = Self {
            window: self.until.saturating_since(now),
            is_rest: true,
            ..self.clone()
        };
        Some(rest.into())
    }

    /// Its window began late by more than `allowed`. A rest is not sent again, so that this ends where replies are always late.
    fn began_late(&self, now: Instant, allowed: Duration) -> bool {
        let left = self.until.saturating_since(now);
        !self.is_rest && self.window.saturating_sub(left) > allowed
    }
}
