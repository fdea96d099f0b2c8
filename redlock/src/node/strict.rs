//! The strict restart guard: a marker on each node names the process that the node was.

use std::time::Duration;

use super::{Fault, FaultKind, lists};
use crate::quorum::guard_time;

/// What the marker is called, under the namespace.
const MARKER: &str = "{redlock}:marker";
/// The key that stands while a node has no vote.
const QUARANTINE: &str = "{redlock}:quarantine";

/// How the keys begin in which the masters of a cluster keep a record of their slots, under the namespace.
pub(super) const RECORD: &str = "{redlock:slots:";

/// How a client marks its nodes.
#[derive(Clone, Debug)]
pub(crate) struct Strict {
    pub(crate) marker_key: String,
    pub(crate) quarantine_key: String,
    max_ttl: Duration,
    pub(crate) guard_time: Duration,
    /// The same for a server that others may replace.
    pub(crate) guard_time_after_a_move: Duration,
    /// For how long the votes of such a server count after its sentinels confirmed it.
    #[cfg(feature = "sentinel")]
    pub(crate) confirmed_for: Duration,
}

impl Strict {
    pub(crate) fn new(namespace: &str, max_ttl: Duration, skew: Duration) -> Self {
        Self {
            guard_time: guard_time::guard_time(max_ttl, skew),
            guard_time_after_a_move: guard_time::after_a_move(max_ttl, skew),
            #[cfg(feature = "sentinel")]
            confirmed_for: guard_time::confirmed_for(skew),
            marker_key: format!("{namespace}{MARKER}"),
            quarantine_key: format!("{namespace}{QUARANTINE}"),
            max_ttl,
        }
    }

    /// What the marker of a process says: its run id, the longest ttl that it may have forgotten, and by which election
    /// it became the master, where masters are elected.
    pub(crate) fn marker(&self, run_id: &str, epoch: Option<u64>) -> String {
        let max_ttl = self.max_ttl.as_millis();
        match epoch {
            Some(epoch) => format!("{run_id} {max_ttl} {epoch}"),
            None => format!("{run_id} {max_ttl}"),
        }
    }

    /// The fault of a client that has not heard of the election of the master that it asks.
    pub(crate) fn outdated() -> Fault {
        Fault::unknown(
            FaultKind::Quarantined,
            "it became the master by an election that this client has not heard of yet; if the sentinels forgot it \
             (SENTINEL REMOVE, or others in their place), vouch for the node by Redlock::trust_nodes once no lock is held",
        )
    }

    /// The fault of a node that other clients use with another `max_ttl`.
    pub(crate) fn other_max_ttl(marker: &str) -> Fault {
        let theirs = marker.split(' ').nth(1).unwrap_or("?");
        Fault::untouched(
            FaultKind::OtherMaxTtl,
            format!(
                "other clients use this node with a max_ttl of {theirs} ms: give all clients the same"
            ),
        )
    }
}

/// Whether `key` is one that the guard itself uses.
pub(crate) fn is_reserved(key: &str) -> bool {
    key.ends_with(MARKER)
        || key.ends_with(QUARANTINE)
        || key.contains(RECORD)
        || lists::is_record(key)
}
