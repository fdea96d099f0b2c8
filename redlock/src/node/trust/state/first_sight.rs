//! What nodes may have forgotten before this client met them: their ages compared with each other, and losses that other
//! clients saw.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use super::{Forgot, NodeState, signed};
use crate::{
    env::{clock::Instant, sync::lock},
    events::node as events,
    quorum::restart_guard,
};

/// A node that is new to this client and started well after the oldest node may have had an earlier
/// process. Evaluated again at each first connection, since the oldest node may connect last.
pub(super) fn judge_ages(states: &[impl AsRef<NodeState>], now: Instant, guard_time: Duration) {
    let since = |start: i64| {
        let micros = signed(now.micros()).saturating_sub(start);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    };
    let mut oldest = Duration::default();
    for_each(states, |state| {
        let known = lock(&state.known);
        let earliest = known.earliest.filter(|_| !known.is_ageless);
        oldest = oldest.max(earliest.map_or(Duration::ZERO, since));
    });
    for_each(states, |state| {
        let known = lock(&state.known);
        if known.forgot || known.is_ageless || known.earliest.is_none() {
            return;
        }
        let age = since(known.born());
        if let Some(left) = restart_guard::on_first_sight(age, oldest, guard_time) {
            let until = now.after(left).micros();
            if state.no_vote_until.fetch_max(until, Relaxed) == 0 {
                let why = "node started after the others and may have forgotten locks";
                events::quarantined(&state.name, &why, left);
            }
        }
    });
}

/// Records that `state`, which is a node or one of its servers, lost its data at this time: other clients saw it before this
/// client met the node. Its age says nothing about that, since all nodes that this client knows may have started together.
pub(crate) fn record_loss(
    states: &[impl AsRef<NodeState>],
    state: &NodeState,
    at: Instant,
    now: Instant,
    guard_time: Duration,
) {
    lock(&state.known).lost_before = Some(signed(at.micros()));
    let losses = states.iter().filter_map(|node| {
        let node = node.as_ref();
        let parts = lock(&node.parts).clone();
        let parts = parts.iter().map(|part| lock(&part.known).lost_before);
        lock(&node.known).lost_before.max(parts.flatten().max())
    });
    let losses: Vec<i64> = losses.collect();
    for_each(states, |state| {
        let lost = lock(&state.known).lost_before;
        let until = lost
            .and_then(|lost| restart_guard::after_a_loss(lost, &losses, states.len(), guard_time));
        let until = until.and_then(|until| u64::try_from(until).ok());
        let was = (state.no_vote_after_loss_until).swap(until.unwrap_or(0), Relaxed);
        let left = Instant::from_micros(until.unwrap_or(0)).saturating_since(now);
        if was == 0 && !left.is_zero() {
            events::quarantined(&state.name, &Forgot::Emptied, left);
        }
    });
}

/// The nodes, and the servers of clusters.
fn for_each(states: &[impl AsRef<NodeState>], mut look: impl FnMut(&NodeState)) {
    for state in states.iter().map(AsRef::as_ref) {
        look(state);
        for part in lock(&state.parts).iter() {
            look(part);
        }
    }
}
