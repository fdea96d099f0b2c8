//! Sends operations to the server that has their key, or to all servers.

use std::sync::Arc;

use super::{
    super::Operation,
    Shared,
    fan_out::FanOut,
    map::{MAX_EARLY, Recipients, Shard},
    routed::{Routed, Trip},
};
use crate::{
    command::Reply,
    env::sync::lock,
    fault::{Fault, FaultKind},
};

impl Shared {
    pub(super) fn submit(self: &Arc<Self>, op: Operation, trip: Trip) {
        let recipients = {
            let mut map = lock(&self.map);
            let recipients = map.recipients(op.sink.request());
            match &recipients {
                Recipients::Unknown if map.early.len() < MAX_EARLY || op.must_arrive() => {
                    map.early.push(op);
                    return;
                }
                Recipients::None(_) => map.defer(&op, self.nodes.upgrade()),
                _ => {}
            }
            recipients
        };
        // Not under the lock: replies may come at once.
        match recipients {
            Recipients::One(shard) => {
                let id = Arc::clone(&shard.id);
                self.send(op, shard, id, trip, false);
            }
            Recipients::All(shards) => FanOut::send(self, &op, shards),
            Recipients::None(fault) => {
                self.doubted.notify_one();
                op.answer(Reply::Failed(fault));
            }
            Recipients::Unknown => op.answer(Reply::Failed(Fault::untouched(
                FaultKind::Backlog,
                format!("{MAX_EARLY} operations wait for this cluster already"),
            ))),
        }
    }

    /// Sends `op` to a server. `id` is the server that has the slot, which is another one while the slot is imported.
    pub(super) fn send(
        self: &Arc<Self>,
        op: Operation,
        shard: Shard,
        id: Arc<str>,
        trip: Trip,
        importing: bool,
    ) {
        let node = op.node;
        let routed = Routed {
            op,
            cluster: Arc::downgrade(self),
            server: shard.state,
            id,
            trip,
            importing,
        };
        shard.connection.submit(Operation {
            sink: Arc::new(routed),
            node,
        });
    }
}
