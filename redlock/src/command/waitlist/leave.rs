//! Leave the waitlist of a lock, and pass on the notification that this process received and did not use.

use std::sync::Arc;

use super::super::{
    Answer, Delivery, Facts, NodeCommand, Purpose, Scope, Script, Step, decode, encode::Encoder,
};
use crate::{key::Key, resp::Value};

#[derive(Clone, Debug)]
pub(crate) struct LeaveWaitlist {
    pub(crate) inbox: Arc<str>,
    /// The owner whose release is passed on. Empty for none.
    pub(crate) by: String,
}

impl NodeCommand for LeaveWaitlist {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "publish, zrange and zrem",
            needs_trust: false,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Other,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        out.script(Script::LeaveWaitlist, &[&key.waiters()])
            .arg(&*self.inbox)
            .channel()
            .args([self.by.as_str(), key.lock()]);
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode::common(reply)
    }
}
