//! What is judged of a node beside the others: the same server listed twice, a process that started
//! after the others, a loss that only other clients saw.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use crate::{
    env::{clock::Instant, sync::lock},
    events::node as events,
    fault::{Fault, FaultKind},
    node::{Info, Optional},
    quorum::restart_guard::{self, RestartGuard},
};

use super::{
    known::{Forgot, memory_of, signed},
    state::NodeState,
};

/// Records what `state`, which is node `index` or one of its servers, reported on a new connection.
/// After that, its votes count or are refused.
pub(crate) fn record_handshake(
    states: &[impl AsRef<NodeState>],
    index: usize,
    state: &NodeState,
    info: &Info,
    now: Instant,
    guard: RestartGuard,
    guard_time: Duration,
) {
    let node = states[index].as_ref();
    if !std::ptr::eq(node, state) {
        node.record_server(info);
    }
    let barred = barred(states, index, info, guard);
    let (is_new, forgot) = {
        let mut known = lock(&state.known);
        let is_new = known.run_id != info.run_id || known.earliest.is_none();
        let forgot = known.forgot_by(info, now);
        if is_new {
            known.memory = memory_of(info, now, guard);
        }
        known.take(info, now, state.name());
        known.bar(barred, state.name());
        (is_new, forgot)
    };
    if let Some(why) = forgot {
        state.forget(why, now, guard, guard_time);
    }
    // A reconnection says nothing new about the node's age.
    if (is_new || forgot.is_some()) && guard == RestartGuard::Observed {
        if info.run_id.is_empty() && is_new && !info.refuses(Optional::Info) {
            events::no_run_id(state.name());
        }
        judge_ages(states, now, guard_time);
    }
}

/// Why a node may never vote.
fn barred(
    states: &[impl AsRef<NodeState>],
    index: usize,
    info: &Info,
    guard: RestartGuard,
) -> Option<Fault> {
    if let Some(master) = &info.replica_of {
        return Some(Fault::untouched(
            FaultKind::ReadOnly,
            format!("is a replica of {master}: list independent masters only"),
        ));
    }
    if info.run_id.is_empty() {
        return (guard == RestartGuard::Strict).then(|| {
            Fault::untouched(
                FaultKind::NoRunId,
                "reports no run_id in INFO, so the strict restart guard cannot distinguish its processes: \
                 use a server that does, or choose RestartGuard::Observed or Off",
            )
        });
    }
    let others = states
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != index);
    let same = others
        .into_iter()
        .find_map(|(_, other)| other.as_ref().runs(&info.run_id))?;
    Some(Fault::untouched(
        FaultKind::SameServer,
        format!("is the same server as {same}: list each server once"),
    ))
}

/// A node that is new to this client and started well after the oldest node may have had an earlier
/// process. Evaluated again at each first connection, since the oldest node may connect last.
fn judge_ages(states: &[impl AsRef<NodeState>], now: Instant, guard_time: Duration) {
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
        let age = since(known.knows_locks_since());
        if let Some(left) = restart_guard::on_first_sight(age, oldest, guard_time) {
            let until = now.after(left).micros();
            if state.no_vote_until.fetch_max(until, Relaxed) == 0 {
                let why = "node started after the others and may have forgotten locks";
                events::quarantined(state.name(), &why, left);
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
            events::quarantined(state.name(), &Forgot::Emptied, left);
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
