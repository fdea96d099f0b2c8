//! The state of each node that a client keeps across connections: what is known of it, and whether
//! its votes count.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::known::{Forgot, Known, Memory, signed};
use crate::{
    command::Reply,
    env::{clock::Instant, sync::lock},
    events::node::{self as events, NodeMeter},
    fault::{Fault, FaultKind},
    key::Key,
    node::{Info, Optional},
    quorum::restart_guard::RestartGuard,
};

/// One node, as the client knows it.
#[derive(Debug)]
pub(crate) struct NodeState {
    name: String,
    meter: NodeMeter,
    /// Until when the node's yes does not count, in microseconds of the client's clock.
    pub(super) no_vote_until: AtomicU64,
    /// The same, for a loss that only other clients saw.
    pub(super) no_vote_after_loss_until: AtomicU64,
    pub(super) known: Mutex<Known>,
    /// The servers of a cluster. Empty for other nodes.
    pub(super) parts: Mutex<Vec<Arc<NodeState>>>,
    /// Which server has which slots of a cluster.
    #[cfg(feature = "cluster")]
    pub(in crate::node) moves: super::moves::Moves,
}

/// The state of a server of a cluster.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) server: String,
    pub(crate) slots: Vec<(u16, u16)>,
    /// Why it has no vote.
    pub(crate) fault: Option<Fault>,
    /// For how long its votes, or those for some of its slots, do not count.
    pub(crate) left: Option<Duration>,
}

impl NodeState {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            meter: NodeMeter::new(name),
            no_vote_until: AtomicU64::new(0),
            no_vote_after_loss_until: AtomicU64::new(0),
            known: Mutex::new(Known {
                down: Some(Fault::untouched(
                    FaultKind::Unreachable,
                    "not connected yet",
                )),
                ..Known::default()
            }),
            parts: Mutex::default(),
            #[cfg(feature = "cluster")]
            moves: super::moves::Moves::default(),
        }
    }

    /// The states of the servers of a cluster, by name.
    #[cfg(feature = "cluster")]
    pub(crate) fn parts(&self, servers: &[(&str, Vec<(u16, u16)>)]) -> Vec<Arc<Self>> {
        let mut parts = lock(&self.parts);
        let named = servers.iter().map(|(name, slots)| {
            let known = parts.iter().find(|part| part.name == *name).cloned();
            let part = known.unwrap_or_else(|| Arc::new(Self::new(name)));
            lock(&part.known).slots.clone_from(slots);
            part
        });
        let named: Vec<Arc<Self>> = named.collect();
        // Servers without slots that are in use, since slots are moving to them.
        let in_use = |part: &Arc<Self>| Arc::strong_count(part) > 1;
        let others = parts.iter().filter(|part| {
            let is_named = named.iter().any(|other| Arc::ptr_eq(part, other));
            if !is_named {
                lock(&part.known).slots.clear();
            }
            !is_named && in_use(part)
        });
        *parts = named.iter().chain(others).cloned().collect();
        named
    }

    /// The state of a further server of a cluster, which has no slots yet.
    #[cfg(feature = "cluster")]
    pub(crate) fn another_part(&self, server: &str) -> Arc<Self> {
        let mut parts = lock(&self.parts);
        let known = parts.iter().find(|part| part.name == server).cloned();
        known.unwrap_or_else(|| {
            let part = Arc::new(Self::new(server));
            parts.push(Arc::clone(&part));
            part
        })
    }

    /// The states of a cluster's servers. Empty for other nodes.
    pub(crate) fn look_at_parts(&self, now: Instant) -> Vec<Part> {
        let mut parts = lock(&self.parts).clone();
        parts.retain(|part| !lock(&part.known).slots.is_empty());
        let look = |part: &Arc<Self>| {
            let known = lock(&part.known);
            let moved = known
                .slots
                .iter()
                .filter_map(|slots| self.moved_within(*slots, now));
            Part {
                server: part.name.clone(),
                left: moved.chain(part.quarantined(now)).max(),
                fault: [&known.barred, &known.down, &known.refusal]
                    .into_iter()
                    .find_map(Clone::clone),
                slots: known.slots.clone(),
            }
        };
        parts.iter().map(look).collect()
    }

    /// Records why a server of a cluster refused the last command to all servers, if it did.
    #[cfg(feature = "cluster")]
    pub(in crate::node) fn refused(&self, refusal: Option<&Fault>) {
        lock(&self.known).refusal = refusal.cloned();
    }

    /// The name of the process with this run id, if it is this node's.
    pub(super) fn runs(&self, run_id: &str) -> Option<String> {
        if lock(&self.known).run_id == run_id {
            return Some(self.name.clone());
        }
        let parts = lock(&self.parts);
        let part = parts.iter().find(|part| lock(&part.known).run_id == run_id);
        part.map(|part| format!("{} of {}", part.name, self.name))
    }

    /// A server of this cluster reported its identity.
    pub(super) fn record_server(&self, info: &Info) {
        let mut known = lock(&self.known);
        known.version.clone_from(&info.version);
        // The warning is about the server that evicts.
        if known
            .eviction
            .as_deref()
            .is_none_or(|policy| policy == "noeviction")
        {
            known.eviction.clone_from(&info.eviction);
        }
        if known.down.take().is_some() {
            events::up(&self.name, &info.version);
        }
    }

    pub(crate) fn meter(&self) -> &NodeMeter {
        &self.meter
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
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
            events::down(&self.name, fault);
        }
    }

    /// The server refuses `EVALSHA`.
    pub(crate) fn hashes_refused(&self) {
        let is_known = std::mem::replace(&mut lock(&self.known).refuses_hashes, true);
        if !is_known {
            let command = Optional::EvalSha;
            events::refuses(&self.name, command.command(), command.loss(), false);
        }
    }

    pub(crate) fn came_back(&self) {
        if lock(&self.known).down.take().is_some() {
            events::up(&self.name, &self.version());
        }
    }

    /// For how long the node's yes does not count yet.
    pub(crate) fn quarantined(&self, now: Instant) -> Option<Duration> {
        let until = self.no_vote_until.load(Relaxed);
        let until = until.max(self.no_vote_after_loss_until.load(Relaxed));
        let left = Instant::from_micros(until).saturating_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// For how long the key has no vote since its slot moved, if the node is a cluster.
    #[cfg(feature = "cluster")]
    pub(crate) fn moved(&self, key: &Key, now: Instant) -> Option<Duration> {
        self.moves.longest(now)?;
        self.moves.left(crate::key::slot::slot_of(key.lock()), now)
    }

    #[cfg(not(feature = "cluster"))]
    pub(crate) fn moved(&self, _: &Key, _: Instant) -> Option<Duration> {
        None
    }

    /// For how long any of these slots has no vote, from the first to the last.
    #[cfg(feature = "cluster")]
    fn moved_within(&self, slots: (u16, u16), now: Instant) -> Option<Duration> {
        self.moves.longest_within(slots, now)
    }

    #[cfg(not(feature = "cluster"))]
    fn moved_within(&self, _: (u16, u16), _: Instant) -> Option<Duration> {
        None
    }

    /// The reply of this node, or the replacement for a reply that does not count because the node
    /// may have forgotten locks.
    pub(crate) fn apply_quarantine(&self, mut reply: Reply, now: Instant) -> Reply {
        if let Reply::Register(answer) = &mut reply {
            answer.remembers_since = self.remembers_since();
            return reply;
        }
        match (&reply, self.quarantined(now)) {
            (Reply::Yes, Some(left)) => Reply::Quarantined { left },
            // A "gone" does not count either: the holder would lose a lock that a majority still
            // holds for it.
            (Reply::Restored | Reply::Gone, Some(left)) => Reply::Forgot { left },
            _ => reply,
        }
    }

    /// Since when the node has forgotten nothing, as far as this client knows, in microseconds of
    /// the client's clock. `i64::MIN` if it never has.
    fn remembers_since(&self) -> i64 {
        let known = lock(&self.known);
        match known.memory {
            Memory::Whole => i64::MIN,
            Memory::SinceStart => known.knows_locks_since(),
            Memory::Since(at) => known.knows_locks_since().max(at),
        }
    }

    /// An operator declares that the node has forgotten nothing so far.
    pub(crate) fn trust_memory(&self) {
        lock(&self.known).memory = Memory::Whole;
        for part in lock(&self.parts).iter() {
            lock(&part.known).memory = Memory::Whole;
        }
    }

    /// Another client saw that the node's data were emptied, possibly before this client met the
    /// node.
    pub(crate) fn record_emptied(&self, at: Instant) {
        let at = signed(at.micros());
        let mut known = lock(&self.known);
        known.emptied = known.emptied.max(Some(at));
        if known.memory == Memory::Whole {
            known.memory = Memory::SinceStart;
        }
    }

    /// An operator declares that the node has forgotten no lock.
    pub(crate) fn end_quarantine(&self) {
        lock(&self.known).lost_before = None;
        self.no_vote_after_loss_until.store(0, Relaxed);
        self.no_vote_until.store(0, Relaxed);
    }

    /// The node may have forgotten locks just now: its votes do not count for the guard time.
    pub(crate) fn forget(
        &self,
        why: Forgot,
        now: Instant,
        guard: RestartGuard,
        guard_time: Duration,
    ) {
        {
            let mut known = lock(&self.known);
            known.forgot = true;
            known.memory = match guard {
                RestartGuard::Off => Memory::Whole,
                _ => Memory::Since(signed(now.micros())),
            };
        }
        // A marker only detects other processes. Old data of the same process may contain the
        // marker but not the locks.
        let detected_by_marker = matches!(why, Forgot::Restarted | Forgot::TookOver);
        if guard == RestartGuard::Off || guard == RestartGuard::Strict && detected_by_marker {
            return;
        }
        let until = now.after(guard_time).micros();
        let was = self.no_vote_until.fetch_max(until, Relaxed);
        if was
            < now
                .micros()
                .saturating_add(u64::try_from(guard_time.as_micros()).unwrap_or(u64::MAX) / 2)
        {
            events::quarantined(&self.name, &why, guard_time);
        }
    }
}
