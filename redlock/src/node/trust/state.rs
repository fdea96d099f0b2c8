//! The state of each node that a client keeps across connections: its identity, and whether its
//! votes count.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::command::Reply;
use crate::fault::{Fault, FaultKind};
use crate::node::{Info, Optional};
use crate::{
    env::{clock::Instant, sync::lock},
    events::node::{self as events, NodeMeter},
    key::Key,
    quorum::restart_guard::{self, RestartGuard},
};

/// Servers report their uptime in whole seconds, and a reply takes time. So the computed start of a
/// process may vary by this many microseconds.
const UPTIME_ROUNDING: i64 = 1_500_000;

/// One node, as the client knows it.
#[derive(Debug)]
pub(crate) struct NodeState {
    name: String,
    meter: NodeMeter,
    /// Until when the node's yes does not count, in microseconds of the client's clock.
    no_vote_until: AtomicU64,
    /// The same, for a loss that only other clients saw.
    no_vote_after_loss_until: AtomicU64,
    known: Mutex<Known>,
    /// The servers of a cluster. Empty for other nodes.
    parts: Mutex<Vec<Arc<NodeState>>>,
    /// Which server has which slots of a cluster.
    #[cfg(feature = "cluster")]
    pub(in crate::node) moves: super::moves::Moves,
}

#[derive(Debug, Default)]
struct Known {
    run_id: String,
    /// Where its data came from: [`Info::history`].
    history: String,
    version: String,
    /// When the process started, in microseconds of the client's clock. Possibly before that
    /// clock's beginning.
    started: i64,
    /// Its age is unknown because the server does not report its uptime.
    is_ageless: bool,
    /// The optional commands that the server refuses.
    refused: Vec<Optional>,
    /// The earliest start of any process of this node. So a restart of the oldest node does not
    /// make the other nodes seem old.
    earliest: Option<i64>,
    /// When its data were emptied, as other clients saw it. Counts as a start.
    emptied: Option<i64>,
    /// When it last lost its data before this client met it, as other clients saw it.
    lost_before: Option<i64>,
    /// It forgot locks while this client knew it, so its age does not matter.
    forgot: bool,
    /// What it may have forgotten.
    memory: Memory,
    eviction: Option<String>,
    /// Why it may never vote: it is a replica, or the same server as another node.
    barred: Option<Fault>,
    /// Why it cannot be reached, if it cannot.
    down: Option<Fault>,
    /// For a server of a cluster: the first and the last slot of each of its ranges.
    slots: Vec<(u16, u16)>,
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
                fault: known.barred.clone().or_else(|| known.down.clone()),
                slots: known.slots.clone(),
            }
        };
        parts.iter().map(look).collect()
    }

    /// The name of the process with this run id, if it is this node's.
    fn runs(&self, run_id: &str) -> Option<String> {
        if lock(&self.known).run_id == run_id {
            return Some(self.name.clone());
        }
        let parts = lock(&self.parts);
        let part = parts.iter().find(|part| lock(&part.known).run_id == run_id);
        part.map(|part| format!("{} of {}", part.name, self.name))
    }

    /// A server of this cluster reported its identity.
    fn record_server(&self, info: &Info) {
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
            Memory::SinceStart => known.born(),
            Memory::Since(at) => known.born().max(at),
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

/// What a node may have forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Memory {
    /// It has forgotten nothing, whenever it started.
    Whole,
    /// It may have forgotten everything before its start.
    #[default]
    SinceStart,
    /// It may have forgotten something at this time.
    Since(i64),
}

/// How a node forgot locks while a client knew it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forgot {
    /// Another process answers at its address.
    Restarted,
    /// A server of a cluster that was not one of its masters before.
    TookOver,
    /// The same process was a replica in the meantime, or was promoted again.
    WasReplica,
    /// Its data were emptied: by `FLUSHALL` or `FLUSHDB`, by a synchronisation from a master, or
    /// before it loaded them again.
    Emptied,
    /// It is loading its data.
    Loads,
}

impl std::fmt::Display for Forgot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Restarted => "node restarted and may have forgotten locks",
            Self::TookOver => "server took over from another one and may have lost locks",
            Self::WasReplica => "node was a replica of another server and may have lost locks",
            Self::Emptied => "node has lost its data, and locks with them",
            Self::Loads => "node is loading its data and may have forgotten locks",
        })
    }
}

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
        known.take(info, now, &state.name);
        known.bar(barred, &state.name);
        (is_new, forgot)
    };
    if let Some(why) = forgot {
        state.forget(why, now, guard, guard_time);
    }
    // A reconnection says nothing new about the node's age.
    if (is_new || forgot.is_some()) && guard == RestartGuard::Observed {
        if info.run_id.is_empty() && is_new && !info.refuses(Optional::Info) {
            events::no_run_id(&state.name);
        }
        judge_ages(states, now, guard_time);
    }
}

/// What a process that this client meets for the first time may have forgotten.
fn memory_of(info: &Info, now: Instant, guard: RestartGuard) -> Memory {
    if guard == RestartGuard::Off || info.is_first_process {
        Memory::Whole
    } else if info.history.is_empty() {
        Memory::SinceStart
    } else {
        // It was promoted at an unknown time.
        Memory::Since(signed(now.micros()))
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

impl Known {
    /// Whether the node forgot locks between what was known about it and what it reports now.
    fn forgot_by(&self, info: &Info, now: Instant) -> Option<Forgot> {
        if self.earliest.is_none() {
            return self.forgot.then_some(Forgot::TookOver);
        }
        let was_replica =
            (self.barred.as_ref()).is_some_and(|fault| fault.kind == FaultKind::ReadOnly);
        // Without a run id, the uptime is the only evidence.
        let began_anew =
            info.uptime.is_some() && started(info, now) > self.started + UPTIME_ROUNDING;
        if self.run_id != info.run_id || info.run_id.is_empty() && began_anew {
            return Some(Forgot::Restarted);
        }
        let promoted = self.history != info.history && !info.history.is_empty();
        (was_replica || promoted || info.replica_of.is_some()).then_some(Forgot::WasReplica)
    }

    fn take(&mut self, info: &Info, now: Instant, name: &str) {
        if self.refused != info.refused {
            self.refused.clone_from(&info.refused);
            for command in &info.refused {
                let is_usual = *command == Optional::Config;
                events::refuses(name, command.command(), command.loss(), is_usual);
            }
        }
        self.is_ageless = info.uptime.is_none();
        self.run_id.clone_from(&info.run_id);
        self.history.clone_from(&info.history);
        self.version.clone_from(&info.version);
        self.eviction.clone_from(&info.eviction);
        self.started = started(info, now);
        let born = self.born();
        self.earliest = Some(self.earliest.map_or(born, |at| at.min(born)));
    }

    /// Since when it may know locks.
    fn born(&self) -> i64 {
        self.started.max(self.emptied.unwrap_or(self.started))
    }

    fn bar(&mut self, barred: Option<Fault>, name: &str) {
        if let Some(fault) = &barred
            && self
                .barred
                .as_ref()
                .is_none_or(|was| was.text != fault.text)
        {
            events::barred(name, fault);
        }
        if barred.is_none() && self.down.take().is_some() {
            events::up(name, &self.version);
        }
        self.barred = barred;
    }
}

/// When the process started, in microseconds of the client's clock.
fn started(info: &Info, now: Instant) -> i64 {
    let uptime = info.uptime.unwrap_or_default();
    let uptime = i64::try_from(uptime.as_micros()).unwrap_or(i64::MAX);
    signed(now.micros()).saturating_sub(uptime)
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

fn signed(micros: u64) -> i64 {
    i64::try_from(micros).unwrap_or(i64::MAX)
}
