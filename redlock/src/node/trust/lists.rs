//! The list of nodes that this client announces to each node, and whether the nodes accept it.
//!
//! Two clients with different lists could each win a majority that shares no node with the other's.
//! So every node keeps a record of the lists that clients have announced recently, with the
//! identities of the nodes. It refuses a list that may conflict with another one (`announce.lua`).
//!
//! The votes of a node count while two conditions hold:
//! - It has accepted this client's list within [`COUNTED`]. The node keeps the list for the guard
//!   time longer, until the last lock that was granted with the list has expired.
//! - Every node that is up has accepted a list that contains this node. So a node that connects
//!   later counts once the others know of it.
//!
//! If any node refuses the list, nothing is locked. From then on the list is only checked, and not
//! recorded, until no node refuses it.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::NodeState;
use crate::command::{Announcement, Command, NodeRecord, OtherList, Reply};
use crate::fault::{Fault, FaultKind};
use crate::key::reserved;
use crate::{
    env::{clock::Instant, sync::lock},
    events::node as events,
    quorum::node_set::NodeSet,
};

/// For how long an accepted list counts.
pub(crate) const COUNTED: Duration = Duration::from_secs(15);
/// How often the list is announced again, also to a node that refuses it for lack of a permission or a command: no more often
/// than to others, and without the announcement a client would not notice when its user gets the permission.
pub(crate) const ANNOUNCED: Duration = Duration::from_secs(5);

/// The list of one client.
pub(crate) struct Lists {
    /// The key of the record.
    pub(in crate::node) record: String,
    /// For how long a node keeps an announced list.
    pub(in crate::node) lifetime: Duration,
    states: Arc<[Arc<NodeState>]>,
    /// The names of the nodes, for error texts.
    names: String,
    /// Until when the votes of each node count, in microseconds of the client's clock.
    counts_until: Box<[AtomicU64]>,
    /// Increases whenever there is something new to announce.
    version: AtomicU64,
    /// Every node that is up has accepted the list, so there is nothing to wait for.
    complete: AtomicBool,
    /// The votes of a majority count, or did at some time.
    is_met: AtomicBool,
    entries: Mutex<Vec<Entry>>,
    news: Notify,
}

/// The state of one node.
#[derive(Clone, Debug, Default)]
struct Entry {
    id: Option<String>,
    /// The ids by which other clients knew it before it lost its data.
    former: Vec<String>,
    /// Changes when the node loses its data.
    life: String,
    /// The nodes in the list that it accepted last.
    accepted: Option<NodeSet>,
    /// For how long its acceptance counts.
    until: Option<Instant>,
    /// The list that conflicts with ours, and when it expires if no client announces it again.
    refused: Option<(String, Instant)>,
    /// It is, or may be, another node than before. If a list that contains it is refused, it is
    /// left out for a while.
    exchanged: bool,
    left_out_until: Option<Instant>,
    /// When the list for which it was left out expires, if no client announces it again.
    outlasted_at: Option<Instant>,
    /// It answers with a temporary error. Treated like a node that is down.
    is_unable: bool,
    /// It has the identity of another node of the list, like a copy of its data.
    copied: bool,
}

/// The data of a node now, compared with those at its previous answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) enum Life {
    /// There is no previous answer.
    FirstSeen,
    AsBefore,
    /// They were lost in the meantime.
    Another,
}

/// An announcement to a node.
#[derive(Clone, Debug)]
pub(in crate::node) struct Announced {
    pub(in crate::node) announcement: Announcement,
    /// The nodes that the announced list contains.
    included: NodeSet,
    pub(in crate::node) at: Instant,
    pub(in crate::node) version: u64,
}

impl Lists {
    pub(crate) fn new(
        namespace: &str,
        states: &Arc<[Arc<NodeState>]>,
        guard_time: Duration,
    ) -> Self {
        let names = states
            .iter()
            .map(|state| state.name().replace(['\n', '\r'], " "));
        Self {
            record: format!("{namespace}{}", reserved::NODES),
            lifetime: COUNTED.saturating_add(guard_time),
            states: Arc::clone(states),
            names: names.collect::<Vec<_>>().join(", "),
            counts_until: states.iter().map(|_| AtomicU64::new(0)).collect(),
            version: AtomicU64::new(1),
            complete: AtomicBool::new(false),
            is_met: AtomicBool::new(false),
            entries: Mutex::new(vec![Entry::default(); states.len()]),
            news: Notify::new(),
        }
    }

    /// Whether the votes of a node count now.
    pub(in crate::node) fn counts(&self, node: usize, now: Instant) -> bool {
        self.counts_until[node].load(Relaxed) > now.micros()
    }

    /// Why the votes of a node do not count, if they do not.
    fn why_not_counted(&self, node: usize, now: Instant) -> Fault {
        if let Some(refusal) = self.refusal(now) {
            return refusal;
        }
        let Some(left) = self.left_out_for(node, now) else {
            return Fault::unknown(
                FaultKind::OtherNodes,
                "does not count yet: not all nodes have accepted a list with it",
            );
        };
        Fault::without_vote(
            FaultKind::OtherNodes,
            left,
            format!(
                "lost its data, and other nodes still know it as it was before: no vote for another {} s at most",
                left.as_secs() + 1
            ),
        )
    }

    /// For how long a node is left out at most, if no client announces the other list again.
    fn left_out_for(&self, node: usize, now: Instant) -> Option<Duration> {
        let entry = &lock(&self.entries)[node];
        let expires = entry.outlasted_at?.saturating_since(now);
        let left_out = entry.left_out_until?.saturating_since(now);
        if expires.is_zero() && left_out.is_zero() {
            return None;
        }
        // The last announcement that is refused leaves the node out for one period, and the next one comes a period later.
        Some(expires.max(left_out) + ANNOUNCED * 2)
    }

    /// The reply, unless it is a yes that does not count. A node in quarantine may be left out for longer than that.
    pub(in crate::node) fn apply_quarantine(
        &self,
        node: usize,
        command: &Command,
        reply: Reply,
        now: Instant,
    ) -> Reply {
        match reply {
            // It was carried out, so it is rolled back.
            Reply::Yes | Reply::Register(_) if command.needs_trust() && !self.counts(node, now) => {
                Reply::Failed(self.why_not_counted(node, now).with_outcome(false))
            }
            Reply::Quarantined { left } => Reply::Quarantined {
                left: self
                    .left_out_for(node, now)
                    .map_or(left, |other| left.max(other)),
            },
            reply => reply,
        }
    }

    /// How many nodes are known.
    pub(crate) fn known(&self) -> usize {
        let entries = lock(&self.entries);
        entries
            .iter()
            .filter(|entry| entry.accepted.is_some())
            .count()
    }

    /// Increases whenever there is something new to announce.
    pub(in crate::node) fn version(&self) -> u64 {
        self.version.load(Acquire)
    }

    /// The known identities of the nodes.
    pub(crate) fn ids(&self) -> Vec<Option<String>> {
        lock(&self.entries)
            .iter()
            .map(|entry| entry.id.clone())
            .collect()
    }

    /// The announcement to send to a node now.
    pub(in crate::node) fn announcement(
        &self,
        node: usize,
        now: Instant,
        fresh: u128,
    ) -> Announced {
        let version = self.version();
        let entries = lock(&self.entries);
        let counts_this = !entries[node].is_left_out(now);
        let mut included = included(&entries, now);
        let others = included.iter().filter(|at| *at != node);
        let others = others.filter_map(|at| entries[at].id.clone()).collect();
        if counts_this {
            included.insert(node);
        }
        let announcement = Announcement {
            known: entries[node].id.clone().unwrap_or_default(),
            fresh: format!("{fresh:032x}"),
            renames: entries[node].copied,
            size: entries.len(),
            others,
            counts_this,
            names: self.names.clone(),
            lifetime: match entries.iter().any(|entry| entry.refused.is_some()) {
                true => Duration::ZERO,
                false => self.lifetime,
            },
        };
        Announced {
            announcement,
            included,
            at: now,
            version,
        }
    }

    /// Whether the node has lost its data since its previous answer.
    pub(in crate::node) fn compare_life(&self, node: usize, answer: &NodeRecord) -> Life {
        match &lock(&self.entries)[node].life {
            life if life.is_empty() => Life::FirstSeen,
            life if *life == answer.life => Life::AsBefore,
            _ => Life::Another,
        }
    }

    /// A node answered an announcement.
    pub(in crate::node) fn announcement_answered(
        &self,
        node: usize,
        asked: &Announced,
        answer: NodeRecord,
        now: Instant,
    ) {
        let mut entries = lock(&self.entries);
        let is_another =
            |(at, other): (usize, &Entry)| at != node && other.id.as_ref() == Some(&answer.id);
        let copied = entries.iter().enumerate().any(is_another);
        let entry = &mut entries[node];
        let before = (entry.id.clone(), entry.refused.is_some());
        entry.exchanged |= entry.id.as_ref().is_some_and(|id| *id != answer.id);
        entry.copied = copied;
        entry.is_unable = false;
        // Under an id that could not be written, the next announcement would report lost data.
        let is_unwritten = answer.life.is_empty() && entry.id.is_none();
        entry.life = answer.life;
        entry.former = answer.former;
        if !copied && !is_unwritten {
            entry.id = Some(answer.id);
        }
        match answer.refused {
            Some(theirs) if self.leave_out(&mut entries, asked.included, &theirs, now) => {}
            Some(theirs) => {
                entries[node].refused = Some((theirs.names, now.after(theirs.left)));
                if !before.1 {
                    let cause = self.refused(&entries, now).map(|fault| fault.text);
                    events::other_nodes(self.states[node].name(), &cause.unwrap_or_default());
                }
            }
            None => {
                let entry = &mut entries[node];
                entry.refused = None;
                // A list that was only checked has to be announced before it counts.
                let announced = !asked.announcement.lifetime.is_zero();
                entry.accepted = announced.then_some(asked.included);
                entry.until = announced.then(|| asked.at.after(COUNTED));
            }
        }
        if before != (entries[node].id.clone(), entries[node].refused.is_some()) || copied {
            self.version.fetch_add(1, Release);
        }
        self.evaluate(&entries, now);
    }

    /// A node answered an announcement with an error. If the error is temporary, its votes do not
    /// count until it has answered another announcement. Otherwise it cannot keep a record, so it
    /// counts as if it had accepted the list.
    pub(in crate::node) fn announcement_failed(
        &self,
        node: usize,
        asked: &Announced,
        fault: &Fault,
        now: Instant,
    ) {
        let mut entries = lock(&self.entries);
        let all = NodeSet::all(entries.len());
        let entry = &mut entries[node];
        entry.is_unable = is_temporary(fault);
        if entry.is_unable {
            return self.evaluate(&entries, now);
        }
        // In a cluster, the record may belong to another server. That is no problem to report.
        if entry.accepted.is_none() && !fault.text.starts_with("MOVED") {
            events::keeps_no_record(self.states[node].name(), fault);
        }
        entry.accepted.get_or_insert(all);
        entry.until = Some(asked.at.after(COUNTED));
        self.evaluate(&entries, now);
    }

    /// The node may have lost its data: its votes do not count until it has answered an
    /// announcement.
    pub(in crate::node) fn require_announcement(&self, node: usize) {
        let mut entries = lock(&self.entries);
        entries[node].until = None;
        self.counts_until[node].store(0, Relaxed);
    }

    /// A node came up or went down. The acceptance of a node that is down is not required.
    pub(in crate::node) fn reevaluate(&self, now: Instant) {
        self.evaluate(&lock(&self.entries), now);
    }

    /// Our list was refused because of another one. Nodes that the other list lacks for a known
    /// reason (they lost their identity with their data, or are too young to vote) are left out
    /// until the other list has expired, since the rest may be part of both lists. Returns whether
    /// any node is left out.
    fn leave_out(
        &self,
        entries: &mut [Entry],
        included: NodeSet,
        theirs: &OtherList,
        now: Instant,
    ) -> bool {
        let same_names = sorted(&theirs.names) == sorted(&self.names);
        let mut any = false;
        for node in included.iter() {
            let entry = &mut entries[node];
            let is_theirs = entry.id.as_ref().is_some_and(|id| theirs.ids.contains(id));
            let was_theirs = entry.former.iter().any(|id| theirs.ids.contains(id));
            let quarantined = self.states[node].quarantined(now);
            let has_reason = same_names || entry.exchanged || was_theirs || quarantined.is_some();
            if is_theirs || !has_reason {
                continue;
            }
            any = true;
            let first = entry.left_out_until.is_none();
            entry.exchanged = true;
            entry.outlasted_at = Some(now.after(theirs.left));
            entry.left_out_until = Some(now.after(quarantined.unwrap_or_default().max(ANNOUNCED)));
            if first {
                events::left_out(self.states[node].name(), &theirs.names, &self.names);
            }
        }
        if any {
            self.version.fetch_add(1, Release);
        }
        any
    }

    /// Decides which nodes' votes count.
    fn evaluate(&self, entries: &[Entry], now: Instant) {
        let included = included(entries, now);
        let up = || {
            let nodes = entries.iter().zip(self.states.iter());
            nodes
                .filter(|(entry, state)| state.is_up() && !entry.is_unable)
                .map(|(entry, _)| entry)
        };
        let refused = entries.iter().any(|entry| entry.refused.is_some());
        let accepted =
            |node: usize| up().all(|entry| entry.accepted.is_some_and(|list| list.contains(node)));
        let mut counted = 0;
        for (node, entry) in entries.iter().enumerate() {
            let member = included.contains(node) || entry.id.is_none() && !entry.copied;
            let until = entry.until.filter(|_| !refused && member && accepted(node));
            self.counts_until[node].store(until.map_or(0, Instant::micros), Relaxed);
            counted += usize::from(until.is_some());
        }
        if counted > entries.len() / 2 {
            self.is_met.store(true, Relaxed);
        }
        let complete = !refused && included.iter().all(accepted);
        // Waiting tasks call this as well. If each call woke the others, two of them would wake
        // each other for ever.
        let changed = self.complete.swap(complete, AcqRel) != complete;
        if changed || refused {
            self.news.notify_waiters();
        }
    }

    /// Whether there is nothing to wait for before a lock is requested.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.load(Acquire)
    }

    /// Whether the votes of a majority count, or did at some time, so that the first connection is
    /// over.
    pub(crate) fn is_met(&self) -> bool {
        self.is_met.load(Relaxed)
    }

    /// Waits until the nodes that are up have accepted or refused the list, for at most this long.
    pub(crate) async fn until_complete(&self, within: Duration, now: impl Fn() -> Instant) {
        /// How often the state is evaluated again: a node that goes down is no longer waited for.
        const EVERY: Duration = Duration::from_millis(20);
        let end = now().after(within);
        while !self.is_complete() && self.refusal(now()).is_none() {
            let left = end.saturating_since(now());
            if left.is_zero() {
                return;
            }
            let _ = tokio::time::timeout(left.min(EVERY), self.news.notified()).await;
            self.reevaluate(now());
        }
    }

    /// Why no lock can be acquired, if a node serves clients with other nodes.
    pub(crate) fn refusal(&self, now: Instant) -> Option<Fault> {
        self.refused(&lock(&self.entries), now)
    }

    fn refused(&self, entries: &[Entry], now: Instant) -> Option<Fault> {
        let refused = || entries.iter().filter_map(|entry| entry.refused.as_ref());
        let (theirs, _) = refused().next()?;
        let until = refused().map(|(_, until)| until.saturating_since(now));
        // The list is announced every few seconds.
        let wait = (until.max().unwrap_or_default() + ANNOUNCED).as_secs() + 1;
        Some(Fault::untouched(
            FaultKind::OtherNodes,
            format!(
                "other clients use the nodes [{theirs}], this one [{}], and a majority of one need not meet a majority of \
                 the other: give all clients the same nodes, and change the list by one node at a time (where no other \
                 client is left, the nodes accept this list in {wait} s)",
                self.names
            ),
        ))
    }
}

impl Entry {
    fn is_left_out(&self, now: Instant) -> bool {
        self.left_out_until.is_some_and(|until| until > now)
    }
}

/// Whether this answer is temporary: the node loads its data, runs a long script, or is cut off
/// from its cluster.
pub(in crate::node) fn is_temporary(fault: &Fault) -> bool {
    let code = fault.text.split([' ', ':']).next().unwrap_or_default();
    fault.kind == FaultKind::Loading || ["BUSY", "CLUSTERDOWN", "TRYAGAIN"].contains(&code)
}

/// The nodes in the current list.
fn included(entries: &[Entry], now: Instant) -> NodeSet {
    let mut nodes = NodeSet::default();
    for (node, entry) in entries.iter().enumerate() {
        if entry.id.is_some() && !entry.copied && !entry.is_left_out(now) {
            nodes.insert(node);
        }
    }
    nodes
}

fn sorted(names: &str) -> Vec<&str> {
    let mut names: Vec<&str> = names.split(", ").collect();
    names.sort_unstable();
    names
}

impl fmt::Debug for Lists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lists")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}
