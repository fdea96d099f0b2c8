//! Calls that a server sends elsewhere: the slot has gone to another, or is on its way there.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::super::{Operation, redis::Redirection};
use super::{Shared, map::Shard, route::Routed};
use crate::env::{clock::Instant, sync::lock};

/// How often a call follows the word of a server that its slot has gone to another, or is on its way there.
const HOPS: u32 = 3;
/// The pause before a call whose keys are on their way is sent again; it doubles up to [`REST_MOST`].
const REST: Duration = Duration::from_millis(5);
const REST_MOST: Duration = Duration::from_millis(100);
/// The most servers without slots of their own to which slots are on their way.
const MOST_IMPORTERS: usize = 16;

/// How far a call has been sent around.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trip {
    hops: u32,
    rests: u32,
    /// When it was first sent back because its keys are on their way.
    since: Option<Instant>,
}

impl Shared {
    /// Sends a call where its server says. Not for ever: says whether it was sent.
    pub(super) fn redirect(self: &Arc<Self>, routed: &Routed, to: Redirection) -> bool {
        let (op, mut trip) = (routed.op.clone(), routed.trip);
        if matches!(to, Redirection::TryAgain) {
            return self.rest(op, trip);
        }
        trip.hops += 1;
        if trip.hops > HOPS {
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

    /// Sends a call again after a pause, since its keys are on their way: for a node time-out.
    fn rest(self: &Arc<Self>, op: Operation, mut trip: Trip) -> bool {
        let now = self.clock.now();
        if now >= trip.since.get_or_insert(now).after(self.timeout) || !op.sink.wanted() {
            return self.give_up(&op);
        }
        let pause = (REST * 2_u32.saturating_pow(trip.rests)).min(REST_MOST);
        trip.rests += 1;
        trip.hops = 0;
        let shared = Arc::clone(self);
        self.runtime.spawn(async move {
            sleep(pause).await;
            shared.submit(op, trip);
        });
        true
    }

    /// The server that a slot is on its way to: it may have none yet.
    fn importer(self: &Arc<Self>, server: &str) -> Option<Shard> {
        let nodes = self.nodes.upgrade()?;
        let mut map = lock(&self.map);
        let mut known = map.shards.iter().chain(&map.importers);
        if let Some(shard) = known.find(|shard| *shard.server == *server) {
            return Some(shard.clone());
        }
        let state = nodes.states[self.index].another_part(server);
        let shard = self.shard(&nodes, state, server.into())?;
        let oldest = (map.importers.len() >= MOST_IMPORTERS).then(|| map.importers.remove(0));
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

    /// A server says that `slot` has gone to `server`.
    fn follow(self: &Arc<Self>, slot: u16, server: String) {
        let mut slots = lock(&self.map).slots.clone();
        slots.give(slot, server);
        self.adopt(slots);
        self.doubted.notify_one();
    }
}
