//! Redirections: the slot has moved to another server, or is being moved.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{
    super::{Operation, redis::Redirection},
    Shared,
    map::Shard,
    routed::{Routed, Trip},
};
use crate::{command::Reply, env::sync::lock, fault::Fault};

/// Maximum number of redirections that an operation follows in a row.
const MAX_HOPS: u32 = 3;
/// The pause before an operation whose slot is being moved is sent again. It doubles up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(5);
const MAX_PAUSE: Duration = Duration::from_millis(100);
/// Maximum number of servers without slots of their own that import some.
const MAX_IMPORTERS: usize = 16;

/// An operation in its pause.
struct Paused {
    shared: Arc<Shared>,
    op: Option<Operation>,
}

/// The runtime has ended in the pause: another one delivers a release.
impl Drop for Paused {
    fn drop(&mut self) {
        if let Some(op) = self.op.take() {
            self.shared.give_up(&op);
            op.answer(Reply::Failed(Fault::no_runtime()));
        }
    }
}

impl Shared {
    /// Sends an operation to the server that it was redirected to. Returns whether it was sent.
    pub(super) fn redirect(self: &Arc<Self>, routed: &Routed, to: Redirection) -> bool {
        let (op, mut trip) = (routed.op.clone(), routed.trip);
        if matches!(to, Redirection::TryAgain) {
            return self.retry_later(op, trip);
        }
        trip.hops += 1;
        if trip.hops > MAX_HOPS {
            return self.give_up(&op);
        }
        match to {
            Redirection::Moved(slot, server) => {
                self.follow(slot, server);
                self.submit(op, trip);
            }
            Redirection::Ask(server) => {
                let Some(shard) = self.importer(&server) else {
                    return self.give_up(&op);
                };
                self.send(op, shard, Arc::clone(&routed.id), trip, true);
            }
            Redirection::TryAgain => {}
        }
        true
    }

    /// The servers disagree about who has the slot. A release is kept for the next look at the map.
    fn give_up(&self, op: &Operation) -> bool {
        lock(&self.map).defer(op, self.nodes.upgrade());
        false
    }

    /// Sends an operation again after a pause, since its slot is being moved, for a node time-out at most.
    fn retry_later(self: &Arc<Self>, op: Operation, mut trip: Trip) -> bool {
        let now = self.clock.now();
        if now >= trip.since.get_or_insert(now).after(self.timeout) || !op.sink.wanted() {
            return self.give_up(&op);
        }
        let pause = (MIN_PAUSE * 2_u32.saturating_pow(trip.retries)).min(MAX_PAUSE);
        trip.retries += 1;
        trip.hops = 0;
        let mut paused = Paused {
            shared: Arc::clone(self),
            op: Some(op),
        };
        self.runtime.spawn(async move {
            sleep(pause).await;
            if let Some(op) = paused.op.take() {
                paused.shared.submit(op, trip);
            }
        });
        true
    }

    /// The server that imports a slot. It may have no slots yet.
    fn importer(self: &Arc<Self>, server: &str) -> Option<Shard> {
        let nodes = self.nodes.upgrade()?;
        let mut map = lock(&self.map);
        let mut known = map.shards.iter().chain(&map.importers);
        if let Some(shard) = known.find(|shard| *shard.server == *server) {
            return Some(shard.clone());
        }
        let state = nodes.states[self.index].another_part(server);
        let shard = self.shard(&nodes, state, server.into())?;
        let oldest = (map.importers.len() >= MAX_IMPORTERS).then(|| map.importers.remove(0));
        map.importers.push(shard.clone());
        drop(map);
        for op in oldest
            .iter()
            .flat_map(|oldest| oldest.connection.take_deferred())
        {
            self.submit(op, Trip::default());
        }
        Some(shard)
    }

    /// A server says that `slot` has moved to `server`.
    fn follow(self: &Arc<Self>, slot: u16, server: String) {
        let mut slots = lock(&self.map).slots.clone();
        slots.give(slot, server);
        self.adopt(slots);
        self.doubted.notify_one();
    }
}
