//! What one node reported of itself, and what it may have forgotten.

use crate::{
    env::clock::Instant,
    events::node as events,
    fault::{Fault, FaultKind},
    node::{Info, Optional},
    quorum::restart_guard::RestartGuard,
};

/// Servers report their uptime in whole seconds, and a reply takes time. So the computed start of a
/// process may vary by this many microseconds.
const UPTIME_ROUNDING: i64 = 1_500_000;

/// What the processes of a node reported.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) run_id: String,
    /// Where its data came from: [`Info::history`].
    pub(super) history: String,
    pub(super) version: String,
    /// When the process started, in microseconds of the client's clock. Possibly before that
    /// clock's beginning.
    pub(super) started: i64,
    /// Its age is unknown because the server does not report its uptime.
    pub(super) is_ageless: bool,
    /// The optional commands that the server refuses.
    pub(super) refused: Vec<Optional>,
    /// It refuses `EVALSHA`, which shows at the first use.
    pub(super) refuses_hashes: bool,
    /// The earliest start of any process of this node. So a restart of the oldest node does not
    /// make the other nodes seem old.
    pub(super) earliest: Option<i64>,
    /// When its data were emptied, as other clients saw it. Counts as a start.
    pub(super) emptied: Option<i64>,
    /// When it last lost its data before this client met it, as other clients saw it.
    pub(super) lost_before: Option<i64>,
    /// It forgot locks while this client knew it, so its age does not matter.
    pub(super) forgot: bool,
    /// What it may have forgotten.
    pub(super) memory: Memory,
    pub(super) eviction: Option<String>,
    /// Why it may never vote: it is a replica, or the same server as another node.
    pub(super) barred: Option<Fault>,
    /// Why this server of a cluster refused the last command to all servers, if it did.
    pub(super) refusal: Option<Fault>,
    /// Why it cannot be reached, if it cannot.
    pub(super) down: Option<Fault>,
    /// For a server of a cluster: the first and the last slot of each of its ranges.
    pub(super) slots: Vec<(u16, u16)>,
}

impl Known {
    /// Whether the node forgot locks between what was known about it and what it reports now.
    pub(super) fn forgot_by(&self, info: &Info, now: Instant) -> Option<Forgot> {
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

    pub(super) fn take(&mut self, info: &Info, now: Instant, name: &str) {
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
        let born = self.knows_locks_since();
        self.earliest = Some(self.earliest.map_or(born, |at| at.min(born)));
    }

    /// Since when it may know locks.
    pub(super) fn knows_locks_since(&self) -> i64 {
        self.started.max(self.emptied.unwrap_or(self.started))
    }

    pub(super) fn bar(&mut self, barred: Option<Fault>, name: &str) {
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

/// What a node may have forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Memory {
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

/// What a process that this client meets for the first time may have forgotten.
pub(super) fn memory_of(info: &Info, now: Instant, guard: RestartGuard) -> Memory {
    if guard == RestartGuard::Off || info.is_first_process {
        Memory::Whole
    } else if info.history.is_empty() {
        Memory::SinceStart
    } else {
        // It was promoted at an unknown time.
        Memory::Since(signed(now.micros()))
    }
}

/// When the process started, in microseconds of the client's clock.
fn started(info: &Info, now: Instant) -> i64 {
    let uptime = info.uptime.unwrap_or_default();
    let uptime = i64::try_from(uptime.as_micros()).unwrap_or(i64::MAX);
    signed(now.micros()).saturating_sub(uptime)
}

pub(super) fn signed(micros: u64) -> i64 {
    i64::try_from(micros).unwrap_or(i64::MAX)
}
