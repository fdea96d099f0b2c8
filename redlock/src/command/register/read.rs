//! Read a register, with a promise of the node where the reader holds the lock.

use std::time::Duration;

use super::{
    super::{Answer, Facts, NodeCommand, Script, Step, decode, encode::Encoder},
    FACTS, RegisterReply, decode as register,
};
use crate::{key::Key, resp::Value};

#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadRegister {
    /// The token of the holder that reads. The node refuses writes with lower ones from then on. `None`: a reader without
    /// the lock, to whom nothing is promised.
    pub(crate) holder: Option<u64>,
    /// For how long the promise is kept.
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
