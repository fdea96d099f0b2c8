//! Release: delete the key if the owner holds it; with a tombstone, make late commands of the
//! holder stale.

use super::super::{
    Answer, Delivery, Facts, NodeCommand, Owner, Part, Purpose, Reply, Scope, Script, Step, decode,
    encode::{Encoder, fenced, whole},
};
use crate::{key::Key, resp::Value};

#[derive(Clone, Debug)]
pub(crate) struct Release {
    pub(crate) owner: Owner,
    pub(crate) tombstone: Option<u64>,
}

impl NodeCommand for Release {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "del, mget and set",
            needs_trust: false,
            delivery: Delivery::UntilDone,
            purpose: Purpose::Ends,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let keys = [
            whole(key.lock()),
            key.waiters_in_parts(),
            whole(key.fence()),
        ];
        out.script(Script::Release, fenced(&keys, self.tombstone.is_some()))
            .arg(self.owner.as_bytes())
            .channel()
            .fence(self.tombstone);
    }

    fn part(&self) -> Option<Part> {
        Some(match self.tombstone {
            Some(_) => Part::RELEASE,
            None => Part::PLAIN_RELEASE,
        })
    }

    fn encode_part(&self, out: &mut Encoder<'_, '_>) {
        out.arg(self.owner.as_bytes());
        if let Some(tombstone) = self.tombstone {
            out.number(tombstone);
        }
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode_release(reply)
    }
}

/// The reply of a script that ends a hold.
pub(crate) fn decode_release(reply: &Value) -> Answer {
    match decode::status(reply) {
        Some(("WOKE", [])) => Answer::Vote(Reply::Notified),
        _ => decode::common(reply),
    }
}
