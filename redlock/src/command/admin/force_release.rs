//! Force release: delete the key if one of the given owners holds it, and make what the holder may still send stale.
//!
//! A holder that came later keeps it: the command may be delivered twice, or late.

use std::sync::Arc;

use super::super::{
    Answer, Delivery, Facts, NodeCommand, Owner, Purpose, Scope, Script, Step, decode,
    encode::Encoder,
};
use crate::{key::Key, resp::Value};

#[derive(Clone, Debug)]
pub(crate) struct ForceRelease {
    /// The owner that notifications to waiters name.
    pub(crate) by: Owner,
    /// The owners that were seen. An empty one stands for every value longer than [`Owner::MAX_LEN`].
    pub(crate) from: Arc<[Vec<u8>]>,
}

impl NodeCommand for ForceRelease {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "del, exists, mget and set",
            needs_trust: false,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Ends,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let keys = [key.lock(), key.fence(), &key.waiters()];
        out.script(Script::ForceRelease, &keys)
            .retention()
            .channel()
            .arg(self.by.as_bytes())
            .args(self.from.iter());
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode::common(reply)
    }
}
