//! Join the waitlist of a lock, without an attempt to take it.

use super::{
    super::{
        Answer, Delivery, Facts, NodeCommand, Purpose, Scope, Script, Step, decode, encode::Encoder,
    },
    Inbox,
};
use crate::{key::Key, resp::Value};

#[derive(Clone, Debug)]
pub(crate) struct JoinWaitlist {
    pub(crate) inbox: Inbox,
}

impl NodeCommand for JoinWaitlist {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "zadd and pexpire",
            needs_trust: false,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Other,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        out.script(Script::JoinWaitlist, &[&key.waiters()])
            .arg(&*self.inbox.name)
            .number(self.inbox.since);
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode::common(reply)
    }
}
