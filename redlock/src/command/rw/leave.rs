//! Leave the waiting writers: withdraw the intent, and pass on the notification that this process received and did not use.

use std::sync::Arc;

use crate::{
    command::{
        Answer, Delivery, Facts, NodeCommand, Purpose, Scope, Script, Step, decode, encode::Encoder,
    },
    key::Key,
    resp::Value,
};

#[derive(Clone, Debug)]
pub(crate) struct LeaveWrite {
    pub(crate) inbox: Arc<str>,
    /// The owner whose release is passed on. Empty for none.
    pub(crate) by: String,
}

impl NodeCommand for LeaveWrite {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "del, mget, publish, zrange and zrem",
            needs_trust: false,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Other,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let (readers, writer, intent) = (key.readers(), key.writer(), key.intent());
        let keys = [
            writer.waiters(),
            &intent,
            readers.waiters(),
            writer.lock(),
            readers.lock(),
        ];
        out.script(Script::LeaveWrite, &keys)
            .arg(&*self.inbox)
            .channel()
            .arg(&self.by);
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode::common(reply)
    }
}
