//! The strict restart guard: a marker on each node names the process that the node was.

use std::time::Duration;

use super::{Fault, FaultKind, lists};

/// What the marker is called, under the namespace.
const MARKER: &str = "{redlock}:marker";
/// The key that stands while a node has no vote.
const QUARANTINE: &str = "{redlock}:quarantine";

/// How a client marks its nodes.
#[derive(Clone, Debug)]
pub(crate) struct Strict {
    pub(crate) marker_key: String,
    pub(crate) quarantine_key: String,
    max_ttl: Duration,
    pub(crate) guard_time: Duration,
}

impl Strict {
    pub(crate) fn new(namespace: &str, max_ttl: Duration, guard_time: Duration) -> Self {
        Self {
            marker_key: format!("{namespace}{MARKER}"),
            quarantine_key: format!("{namespace}{QUARANTINE}"),
            max_ttl,
            guard_time,
        }
    }

    /// What the marker of a process says: its run id, and the longest ttl that it may have forgotten.
    pub(crate) fn marker(&self, run_id: &str) -> String {
        format!("{run_id} {}", self.max_ttl.as_millis())
    }

    /// The fault of a node that other clients use with another `max_ttl`.
    pub(crate) fn other_max_ttl(marker: &str) -> Fault {
        let theirs = marker.rsplit(' ').next().unwrap_or("?");
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
    key.ends_with(MARKER) || key.ends_with(QUARANTINE) || lists::is_record(key)
}
