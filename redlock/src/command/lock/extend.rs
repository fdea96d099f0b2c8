//! Extend: raise the ttl of a held lock; with a token, restore it if it is missing.

use std::time::Duration;

use super::super::{
    Answer, Delivery, Facts, NodeCommand, Owner, Part, Purpose, Reply, Scope, Script, Step, decode,
    encode::{Encoder, fenced},
};
use crate::{key::Key, resp::Value};

#[derive(Clone, Debug)]
pub(crate) struct Extend {
    pub(crate) owner: Owner,
    pub(crate) ttl: Duration,
    /// The last token that a majority has confirmed.
    pub(crate) token: Option<u64>,
    /// The last token that is asked for. `None`: the same.
    pub(crate) last: Option<u64>,
}

impl NodeCommand for Extend {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "get, mget, pexpire, pttl and set",
            needs_trust: true,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Renews,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let keys = [key.lock(), key.fence()];
        let keys = fenced(&keys, self.token.is_some());
        match self.token {
            Some(_) => out.guarded_script(Script::Extend, Script::ExtendStrict, keys),
            None => out.script(Script::Extend, keys),
        };
        out.arg(self.owner.as_bytes())
            .millis(self.ttl)
            .fence(self.token);
        if let Some(token) = self.token {
            out.number(self.last.unwrap_or(token));
        }
        out.marker();
    }

    fn part(&self) -> Option<Part> {
        Some(match self.token {
            Some(_) => Part::EXTEND,
            None => Part::PLAIN_EXTEND,
        })
    }

    fn encode_part(&self, out: &mut Encoder<'_, '_>) {
        out.arg(self.owner.as_bytes()).millis(self.ttl);
        if let Some(token) = self.token {
            out.number(token).number(self.last.unwrap_or(token));
        }
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode_extend(reply)
    }

    fn ttl(&self) -> Option<Duration> {
        Some(self.ttl)
    }
}

/// The reply of a script that extends a hold.
pub(crate) fn decode_extend(reply: &Value) -> Answer {
    match decode::status(reply) {
        Some(("RESTORED", [])) => Answer::Vote(Reply::Restored),
        Some(("GONE", [])) => Answer::Vote(Reply::Gone),
        _ => decode::common(reply),
    }
}
