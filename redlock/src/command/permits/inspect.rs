//! Inspect the permits of a semaphore: who holds which, for how long, and how many processes wait.

use super::{
    super::{
        Answer, Delivery, Facts, NodeCommand, Purpose, Scope, Script, Step, decode, encode::Encoder,
    },
    look::other_permits,
};
use crate::{key::Key, resp::Value};

#[derive(Clone, Copy, Debug)]
pub(crate) struct InspectPermits {
    /// The number of permits of the semaphore.
    pub(crate) permits: u16,
}

impl NodeCommand for InspectPermits {
    fn facts(&self) -> &'static Facts {
        &Facts {
            rights: "mget, pttl and zrange",
            needs_trust: false,
            delivery: Delivery::WhileWanted,
            purpose: Purpose::Other,
            scope: Scope::Key,
        }
    }

    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>) {
        let permits: Vec<Key> = (0..self.permits).map(|number| key.permit(number)).collect();
        let waiters = key.waiters();
        let mut keys = vec![key.lock(), &waiters];
        keys.extend(
            permits
                .iter()
                .flat_map(|permit| [permit.lock(), permit.fence()]),
        );
        out.script(Script::InspectPermits, &keys)
            .number(self.permits.into());
    }

    fn decode(&self, _: Step, reply: &Value) -> Answer {
        decode::holders(reply)
            .or_else(|| other_permits(reply))
            .unwrap_or_else(|| decode::common(reply))
    }
}
