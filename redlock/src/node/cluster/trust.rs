//! Which votes count: those of servers in a confirmed map, for slots that have not moved recently.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::super::{
    redis::{Slots, Topology, TopologyReader},
    trust::moves::Look,
};
use super::Shared;
use crate::command::Request;
use crate::env::clock::Instant;
use crate::fault::{Fault, FaultKind};
use crate::key::slot::slot_of;

impl Shared {
    /// Before the first map is accepted: reads what other clients recorded on the masters. Returns
    /// whether the masters answered.
    pub(super) async fn read_records(&self, slots: &Slots, reader: &mut TopologyReader) -> bool {
        let Some(nodes) = self.nodes.upgrade().filter(|_| self.trust.is_some()) else {
            return true;
        };
        let moves = &nodes.states[self.index].moves;
        if !moves.is_new() {
            return true;
        }
        let records = reader.read_records(slots, &nodes.namespace, self.timeout);
        let records = records.await;
        moves.remember(records.as_deref().unwrap_or_default());
        records.is_some()
    }

    /// Records on the masters which server has which slots, for later clients: when that has
    /// changed, and before the record expires.
    pub(super) async fn record(
        &self,
        slots: &Slots,
        reader: &mut TopologyReader,
        recorded: &mut Option<(String, Instant)>,
    ) {
        let Some(nodes) = self.nodes.upgrade().filter(|_| self.trust.is_some()) else {
            return;
        };
        let now = self.clock.now();
        let text = nodes.states[self.index].moves.record(now);
        let fresh = |(last, at): &(String, Instant)| {
            *last == text && now.saturating_since(*at) < nodes.retention / 4
        };
        if !recorded.as_ref().is_some_and(fresh) {
            let (namespace, retention) = (&nodes.namespace, nodes.retention);
            let done = reader.record(slots, namespace, &text, retention, self.timeout);
            *recorded = done.await.then_some((text, now));
        }
    }

    /// Accepts a map that was requested at `asked`.
    pub(super) fn topology(self: &Arc<Self>, topology: &Topology, asked: Instant) {
        let Some(nodes) = self.nodes.upgrade() else {
            return;
        };
        // A server that was cut off until now reports an older map if no other can be asked.
        let known = self.epoch.fetch_max(topology.epoch, Relaxed);
        if topology.epoch < known && !topology.confirmed {
            return;
        }
        self.epoch.store(topology.epoch, Relaxed);
        let slots = &topology.slots;
        // An unconfirmed map allows no votes and says nothing about who has which slots.
        if let Some((confirmed_for, guard)) = self.trust.filter(|_| topology.confirmed) {
            let state = &nodes.states[self.index];
            let look = Look {
                ranges: slots.ranges(),
                servers: slots.masters(),
                leaving: &topology.leaving,
                asked,
                now: self.clock.now(),
            };
            let moved = state.moves.adopt(&look, guard);
            if !moved.is_empty() {
                crate::events::node::slots_quarantined(state.name(), &listed(&moved), guard.time);
            }
            let until = asked.after(confirmed_for).micros();
            self.confirmed.store(until, Relaxed);
        }
        self.adopt(slots.clone());
    }

    /// For how long some slot has no vote after its move.
    pub(super) fn moved_lately(&self) -> Option<Duration> {
        self.trust?;
        let nodes = self.nodes.upgrade()?;
        nodes.states[self.index].moves.longest(self.clock.now())
    }

    /// When a slot last moved as far as this client knows, in microseconds of its clock.
    pub(super) fn moved_at(&self) -> Option<i64> {
        self.trust?;
        let nodes = self.nodes.upgrade()?;
        nodes.states[self.index].moves.last()
    }

    /// Why no vote counts, if the map was not confirmed lately.
    pub(super) fn unconfirmed(&self, now: Instant) -> Option<Fault> {
        if self.trust.is_none() || self.confirmed.load(Relaxed) >= now.micros() {
            return None;
        }
        self.doubted.notify_one();
        Some(Fault::unknown(
            FaultKind::Unreachable,
            "no majority of the cluster's masters confirmed lately who serves the key's slot",
        ))
    }

    /// Why a yes of the server `id` to `request` does not count, if it does not. `importing`: the
    /// vote is that of the server that imports the slot.
    pub(super) fn no_vote(&self, request: &Request, id: &str, importing: bool) -> Option<Fault> {
        let (_, guard) = self.trust?;
        if !request.command.needs_trust() {
            return None;
        }
        let nodes = self.nodes.upgrade()?;
        let (slot, now) = (slot_of(request.key.lock()), self.clock.now());
        if let Some(fault) = self.unconfirmed(now) {
            return Some(fault);
        }
        let moves = &nodes.states[self.index].moves;
        // A server that a slot is moving away from grants no new locks, unless the slot stays after
        // all.
        if !importing && request.command.begins_a_hold() && moves.is_leaving(slot) {
            self.doubted.notify_one();
            return Some(Fault::moved(slot, guard.time));
        }
        let left = moves.no_vote(slot, id, now)?;
        Some(Fault::moved(
            slot,
            if left.is_zero() { guard.time } else { left },
        ))
    }
}

/// `7, 100-5460`: the first ranges.
fn listed(ranges: &[(u16, u16)]) -> String {
    const MAX_RANGES: usize = 8;
    let shown = ranges
        .iter()
        .take(MAX_RANGES)
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if ranges.len() > MAX_RANGES {
        text.push_str(", …");
    }
    text
}
