//! What a client knows of each node, across connections: its identity, and whether its votes count.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{Fault, FaultKind, Info, Reply};
use crate::{
    clock::Instant,
    mutant::{self, Mutant},
    protocol::guard_time::{self, RestartGuard},
    sync::lock,
};

/// One node, as the client knows it.
#[derive(Debug)]
pub(crate) struct NodeState {
    name: String,
    /// Until when the node's yes is no vote, in microseconds of the client's clock.
    no_vote_until: AtomicU64,
    known: Mutex<Known>,
    /// The servers of a cluster; other nodes have none.
    parts: Mutex<Vec<Arc<NodeState>>>,
}

#[derive(Debug, Default)]
struct Known {
    run_id: String,
    version: String,
    /// When the process started, in microseconds of the client's clock; before that clock's beginning, perhaps.
    started: i64,
    /// The earliest start of any process that this node was: an oldest node that restarts makes no other one look old.
    earliest: Option<i64>,
    /// It changed its run id under this client, so its age is no excuse.
    restarted: bool,
    eviction: Option<String>,
    /// Why it may never vote: a replica, or the same server as another.
    barred: Option<Fault>,
    /// Why it cannot be reached, where it cannot.
    down: Option<Fault>,
}

impl NodeState {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            no_vote_until: AtomicU64::new(0),
            known: Mutex::new(Known {
                down: Some(Fault::untouched(
                    FaultKind::Unreachable,
                    "not connected yet",
                )),
                ..Known::default()
            }),
            parts: Mutex::default(),
        }
    }

    /// The states of the servers of a cluster, by name. One that was not among them before has taken over from another
    /// and may have forgotten locks.
    #[cfg(feature = "cluster")]
    pub(crate) fn parts(&self, names: &[String]) -> Vec<Arc<Self>> {
        let mut parts = lock(&self.parts);
        let first = parts.is_empty();
        let named = names.iter().map(|name| {
            let known = parts.iter().find(|part| part.name == *name);
            known.cloned().unwrap_or_else(|| {
                let part = Self::new(name);
                lock(&part.known).restarted = !first;
                Arc::new(part)
            })
        });
        *parts = named.collect();
        parts.clone()
    }

    /// What the process with this run id is called, where it is this node's.
    fn runs(&self, run_id: &str) -> Option<String> {
        if lock(&self.known).run_id == run_id {
            return Some(self.name.clone());
        }
        let parts = lock(&self.parts);
        let part = parts.iter().find(|part| lock(&part.known).run_id == run_id);
        part.map(|part| format!("{} of {}", part.name, self.name))
    }

    /// A server of this cluster told of itself.
    fn speaks_through(&self, info: &Info) {
        let mut known = lock(&self.known);
        known.version.clone_from(&info.version);
        // The one that evicts is the one to warn about.
        if known
            .eviction
            .as_deref()
            .is_none_or(|policy| policy == "noeviction")
        {
            known.eviction.clone_from(&info.eviction);
        }
        if known.down.take().is_some() {
            tracing::info!(node = %self.name, version = %info.version, "node up");
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn run_id_is_not(&self, run_id: &str) -> bool {
        lock(&self.known).run_id != run_id
    }

    pub(crate) fn version(&self) -> String {
        lock(&self.known).version.clone()
    }

    pub(crate) fn eviction(&self) -> Option<String> {
        lock(&self.known).eviction.clone()
    }

    /// Why the node may never vote.
    pub(crate) fn barred(&self) -> Option<Fault> {
        lock(&self.known).barred.clone()
    }

    pub(crate) fn is_up(&self) -> bool {
        let known = lock(&self.known);
        known.down.is_none() && known.barred.is_none()
    }

    pub(crate) fn went_down(&self, fault: &Fault) {
        let was_up = lock(&self.known).down.replace(fault.clone()).is_none();
        if was_up {
            tracing::warn!(node = %self.name, cause = %fault, "node down");
        }
    }

    pub(crate) fn came_back(&self) {
        if lock(&self.known).down.take().is_some() {
            tracing::info!(node = %self.name, "node up");
        }
    }

    /// For how long the node's yes is no vote yet.
    pub(crate) fn quarantined(&self, now: Instant) -> Option<Duration> {
        let left = Instant::from_micros(self.no_vote_until.load(Relaxed)).saturating_since(now);
        (!left.is_zero() && !mutant::on(Mutant::QuarantinedCounted)).then_some(left)
    }

    /// What a reply of this node is worth: a yes of a node that may have forgotten is none.
    pub(crate) fn weigh(&self, reply: Reply, now: Instant) -> Reply {
        match (&reply, self.quarantined(now)) {
            // Neither is its "gone" a vote: a holder would be told that it lost what a majority still guards for it.
            (Reply::Yes | Reply::Healed | Reply::Gone, Some(left)) => Reply::Abstains { left },
            _ => reply,
        }
    }
}

/// Takes note of what `state`, which is node `index` or a server of it, said of itself on a new connection. From then on
/// its votes count, or do not.
pub(crate) fn admit(
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
        node.speaks_through(info);
    }
    let others = states
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != index);
    let twin = others
        .filter(|_| !info.run_id.is_empty())
        .find_map(|(_, other)| other.as_ref().runs(&info.run_id));
    let stranger = {
        let mut known = lock(&state.known);
        let stranger = known.run_id != info.run_id;
        known.restarted |= !known.run_id.is_empty() && stranger;
        if known.restarted && stranger && guard == RestartGuard::Observed {
            let until = now.after(guard_time);
            state.no_vote_until.store(until.micros(), Relaxed);
            tracing::warn!(
                node = %state.name, seconds = guard_time.as_secs(),
                "node restarted and may have forgotten locks: its votes do not count for the guard time"
            );
        }
        known.run_id.clone_from(&info.run_id);
        known.version.clone_from(&info.version);
        known.eviction.clone_from(&info.eviction);
        known.started = signed(now.micros())
            .saturating_sub(i64::try_from(info.uptime.as_micros()).unwrap_or(i64::MAX));
        known.earliest = Some(
            known
                .earliest
                .map_or(known.started, |at| at.min(known.started)),
        );
        let barred = match (&info.replica_of, twin) {
            (Some(master), _) => Some(Fault::untouched(
                FaultKind::ReadOnly,
                format!("is a replica of {master}: list independent masters only"),
            )),
            (None, Some(twin)) => Some(Fault::untouched(
                FaultKind::SameServer,
                format!("is the same server as {twin}: list each server once"),
            )),
            (None, None) => None,
        };
        if let Some(fault) = &barred
            && known
                .barred
                .as_ref()
                .is_none_or(|was| was.text != fault.text)
        {
            tracing::error!(node = %state.name, cause = %fault, "node has no vote");
        }
        if barred.is_none() && known.down.take().is_some() {
            tracing::info!(node = %state.name, version = %info.version, "node up");
        }
        known.barred = barred;
        stranger
    };
    // A node that only connects again says nothing new of its age.
    if stranger && guard == RestartGuard::Observed {
        judge_ages(states, now, guard_time);
    }
}

/// A node that this client meets for the first time, and that started well after the oldest one, may have had a life
/// before. Judged anew whenever a node is met, since the oldest may come last.
fn judge_ages(states: &[impl AsRef<NodeState>], now: Instant, guard_time: Duration) {
    let since = |start: i64| {
        let micros = signed(now.micros()).saturating_sub(start);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    };
    let mut oldest = Duration::default();
    for_each(states, |state| {
        let earliest = lock(&state.known).earliest;
        oldest = oldest.max(earliest.map_or(Duration::ZERO, since));
    });
    for_each(states, |state| {
        let known = lock(&state.known);
        if known.restarted || known.earliest.is_none() {
            return;
        }
        let age = since(known.started);
        if let Some(left) = guard_time::on_first_sight(age, oldest, guard_time) {
            let until = now.after(left).micros();
            if state.no_vote_until.fetch_max(until, Relaxed) == 0 {
                tracing::warn!(
                    node = %state.name, seconds = left.as_secs(),
                    "node started after the others and may have forgotten locks: its votes do not count for the guard time"
                );
            }
        }
    });
}

/// The nodes, and the servers of those that are clusters.
fn for_each(states: &[impl AsRef<NodeState>], mut look: impl FnMut(&NodeState)) {
    for state in states.iter().map(AsRef::as_ref) {
        look(state);
        for part in lock(&state.parts).iter() {
            look(part);
        }
    }
}

fn signed(micros: u64) -> i64 {
    i64::try_from(micros).unwrap_or(i64::MAX)
}
