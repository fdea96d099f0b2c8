//! Write a version into a register.

use std::{sync::Arc, time::Duration};

use super::{
    super::{Answer, Facts, NodeCommand, Script, Step, encode::Encoder},
    FACTS, Stored,
    decode::common,
};
use crate::{key::Key, resp::Value};

#[derive(Clone, Debug)]
pub(crate) struct WriteRegister {
    /// Shared by the requests to all nodes.
    pub(crate) stored: Arc<Stored>,
    /// How long the node keeps the record.
    pub(crate) kept: Duration,
}

impl NodeCommand for WriteRegister {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let Stored {
            version,
            expires,
            value,
        } = &*self.stored;
        out.script(Script::WriteRegister, &[&key.register()])
            .number(version.token)
            .number(version.seq)
            .number(*expires)
            .arg(if value.is_some() { "+" } else { "-" })
            .arg(value.as_deref().unwrap_or_default())
            .millis(self.kept);
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        common(reply)
    }
}
