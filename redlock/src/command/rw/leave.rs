//! Leave the waiting writers: withdraw the intent, and pass on the notification that this process received and did not use.

use crate::{
    command::{
        Answer, Delivery, Facts, Inbox, NodeCommand, Purpose, Scope, Script, Step, decode,
        encode::Encoder,
    },
    key::Key,
    resp::Value,
};

#[derive(Clone, Debug)]
pub(crate) struct LeaveWrite {
    /// Since when it waits: a later wait of the same process keeps its place and its intent, so the command does no harm
    /// however late it arrives.
    pub(crate) inbox: Inbox,
    /// The owner whose release is passed on. Empty for none.
    pub(crate) by: String,
}

impl NodeCommand for LeaveWrite {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "del, mget, publish, zrange, zrem and zscore",
            needs_trust: false,
            // An intent that stays keeps readers out although no writer waits.
            delivery: Delivery::UntilDone,
            purpose: Purpose::Other,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let (readers, writer, intent) = (key.readers(), key.writer(), key.intent());
        let keys = [
            &writer.waiters(),
            &intent,
            &readers.waiters(),
            writer.lock(),
            readers.lock(),
        ];
        out.script(Script::LeaveWrite, &keys)
            .arg(&*self.inbox.name)
            .channel()
            .arg(&self.by)
            .number(self.inbox.since);
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode::common(reply)
    }
}
