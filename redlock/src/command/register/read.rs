//! Read a register. A holder of the lock also gets a promise of the node.

use std::time::Duration;

use super::{
    super::{Answer, Facts, NodeCommand, Script, Step, decode, encode::Encoder},
    FACTS, RegisterReply, decode as register,
};
use crate::{key::Key, resp::Value};

#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadRegister {
    /// The token of the holder that reads. The node then refuses writes with lower tokens. `None`:
    /// a reader without the lock, who gets no promise.
    pub(crate) holder: Option<u64>,
    /// How long the node keeps the promise.
    pub(crate) kept: Duration,
}

impl NodeCommand for ReadRegister {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        out.script(Script::ReadRegister, &[&key.register()])
            .number(self.holder.unwrap_or(0))
            .millis(self.kept);
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        match decode::status(reply) {
            Some(("VERSION", parts)) => match register::stored(parts) {
                Some(stored) => register::answer(RegisterReply::Read(stored)),
                None => Answer::unexpected(reply),
            },
            _ => register::common(reply),
        }
    }
}
