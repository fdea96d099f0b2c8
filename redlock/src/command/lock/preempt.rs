//! Preempt: announce a request for a lock whose newest request wins. The older ones are superseded.

use std::sync::Arc;

use super::super::{
    Answer, Delivery, Facts, NodeCommand, Purpose, Reply, Scope, Script, Step, decode,
    encode::Encoder,
};
use crate::{key::Key, resp::Value};

/// What a notification about a newer request has in place of an owner begins with. The number of that request follows.
const NEWER: &str = "newer:";

#[derive(Clone, Debug)]
pub(crate) struct Preempt {
    /// Larger than the number of every older request.
    pub(crate) since: u64,
    /// Where to notify the process of the request when a newer one is announced.
    pub(crate) inbox: Arc<str>,
}

impl NodeCommand for Preempt {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "mget and set",
            needs_trust: true,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Other,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let newest = key.newest();
        out.guarded_script(Script::Preempt, Script::PreemptStrict, &[&newest])
            .number(self.since)
            .arg(&*self.inbox)
            .retention()
            .channel()
            .arg(key.lock())
            .marker();
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        match decode::status(reply) {
            Some(("STALE", [newest])) => match decode::fence(newest) {
                Some(fence) => Answer::Vote(Reply::Stale { fence }),
                None => Answer::unexpected(reply),
            },
            _ => decode::common(reply),
        }
    }
}

/// The number of the newer request that a notification is about. `None`: it is about a release by the owner `by`.
pub(crate) fn newer_request(by: &str) -> Option<u64> {
    by.strip_prefix(NEWER)?.parse().ok()
}
