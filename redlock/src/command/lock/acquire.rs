//! Acquire: take the key, together with its fencing token, in one step.
//!
//! Without fencing it is a plain `SET NX PX`, as other Redlock libraries send it. When that is refused, a second step asks
//! who holds the key (`holder.lua`).

use std::time::Duration;

use super::super::{
    Answer, Command, Delivery, Facts, Inbox, NodeCommand, Owner, Part, Purpose, Release, Reply,
    Scope, Script, Step, decode,
    encode::{Encoder, whole},
    fingerprint,
};
use crate::{
    key::Key,
    resp::{self, Value},
};

#[derive(Clone, Debug)]
pub(crate) struct Acquire {
    pub(crate) owner: Owner,
    pub(crate) ttl: Duration,
    /// The fencing token, if fencing is on.
    pub(crate) token: Option<u64>,
    /// The last token to reserve. Default: `token`.
    pub(crate) last: Option<u64>,
    /// The inbox to notify when the key is free, if it is held.
    pub(crate) inbox: Option<Inbox>,
}

impl NodeCommand for Acquire {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "get, mget, pttl and set",
            needs_trust: true,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Begins,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let Some(token) = self.token else {
            out.args(["SET", key.lock()]).arg(self.owner.as_bytes());
            out.args(["NX", "PX"]).millis(self.ttl);
            return;
        };
        let inbox = self.inbox.as_ref();
        let (inbox, since) = inbox.map_or(("", 0), |inbox| (&*inbox.name, inbox.since));
        let keys = [
            whole(key.lock()),
            whole(key.fence()),
            key.waiters_in_parts(),
        ];
        out.guarded_script(Script::Acquire, Script::AcquireStrict, &keys)
            .arg(self.owner.as_bytes())
            .millis(self.ttl)
            .number(token)
            .retention()
            .number(self.last.unwrap_or(token))
            .arg(inbox)
            .number(since)
            .marker();
    }

    fn part(&self) -> Option<Part> {
        self.token?;
        Some(match self.is_simple() {
            true => Part::ACQUIRE,
            false => Part::WAITING_ACQUIRE,
        })
    }

    fn encode_part(&self, out: &mut Encoder<'_, '_>) {
        let token = self.token.unwrap_or_default();
        out.arg(self.owner.as_bytes())
            .millis(self.ttl)
            .number(token);
        if !self.is_simple() {
            let inbox = self.inbox.as_ref();
            let (inbox, since) = inbox.map_or(("", 0), |inbox| (&*inbox.name, inbox.since));
            out.number(self.last.unwrap_or(token))
                .arg(inbox)
                .number(since);
        }
    }

    fn decode(&self, step: Step, reply: &Value) -> Answer {
        if step.asks_holder {
            return decode_holder(reply);
        }
        if self.token.is_none() && *reply == Value::Nil {
            return Answer::Next(step.asking_holder());
        }
        decode_acquire(reply)
    }

    /// A plain acquire would mistake its own key for another's. A fenced one finds its token stale.
    fn rollback(&self) -> Option<Command> {
        let release = Release {
            owner: self.owner,
            tombstone: None,
        };
        self.token.is_none().then_some(release.into())
    }

    fn ttl(&self) -> Option<Duration> {
        Some(self.ttl)
    }
}

impl Acquire {
    /// Whether it reserves one token and joins no waitlist.
    fn is_simple(&self) -> bool {
        self.inbox.is_none() && self.last.is_none_or(|last| Some(last) == self.token)
    }
}

/// The reply of a script that takes a lock.
pub(crate) fn decode_acquire(reply: &Value) -> Answer {
    match decode::status(reply) {
        Some(("HELD", [Value::Int(left), fence, owner, unlisted @ ..])) => {
            let owner = resp::word(owner).unwrap_or_default().as_bytes();
            Answer::Vote(Reply::Held {
                left: decode::millis(*left),
                // The key is held, whatever its fence is.
                fence: decode::fence(fence).unwrap_or(0),
                by: fingerprint(owner),
                label: Owner::label(owner),
                cools: Owner::is_cool_down(owner),
                notifies: unlisted.is_empty() && Owner::notifies(owner),
            })
        }
        Some(("STALE", [fence])) => match decode::fence(fence) {
            Some(fence) => Answer::Vote(Reply::Stale { fence }),
            None => Answer::unexpected(reply),
        },
        _ => decode::common(reply),
    }
}

/// The reply of `holder.lua`.
fn decode_holder(reply: &Value) -> Answer {
    let Value::Array(parts) = reply else {
        return Answer::unexpected(reply);
    };
    match parts.as_slice() {
        [Value::Int(-1), _] => Answer::failed(decode::no_expiry()),
        [Value::Int(left), owner] => {
            let owner = resp::word(owner).unwrap_or_default().as_bytes();
            Answer::Vote(Reply::Held {
                left: decode::millis(*left),
                fence: 0,
                by: 0,
                label: Owner::label(owner),
                cools: Owner::is_cool_down(owner),
                notifies: false,
            })
        }
        _ => Answer::unexpected(reply),
    }
}
