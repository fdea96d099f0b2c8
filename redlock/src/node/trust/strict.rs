//! The strict restart guard: a marker on each node names the process that wrote it, and its last promotion.

use std::{borrow::Cow, time::Duration};

use crate::{command::Marker, key::reserved, node::Info, quorum::restart_guard};

/// The markers that a client writes to its nodes.
#[derive(Clone, Debug)]
pub(crate) struct Strict {
    pub(crate) marker_key: String,
    pub(crate) quarantine_key: String,
    max_ttl: Duration,
    pub(crate) guard_time: Duration,
    /// The guard time of a server that another one may replace.
    pub(crate) guard_time_after_a_move: Duration,
    /// For how long the votes of such a server count after its sentinels confirmed it.
    #[cfg(feature = "sentinel")]
    pub(crate) confirmed_for: Duration,
}

impl Strict {
    pub(crate) fn new(namespace: &str, max_ttl: Duration, skew: Duration) -> Self {
        Self {
            guard_time: restart_guard::guard_time(max_ttl, skew),
            guard_time_after_a_move: restart_guard::after_a_move(max_ttl, skew),
            #[cfg(feature = "sentinel")]
            confirmed_for: restart_guard::confirmed_for(skew),
            marker_key: format!("{namespace}{}", reserved::MARKER),
            quarantine_key: format!("{namespace}{}", reserved::QUARANTINE),
            max_ttl,
        }
    }

    /// The content of a marker: the process and its last promotion, the longest ttl that it may have
    /// forgotten, and the election by which it became the master, if masters are elected.
    pub(crate) fn marker(&self, process: &str, epoch: Option<u64>) -> String {
        let max_ttl = self.max_ttl.as_millis();
        match epoch {
            Some(epoch) => format!("{process} {max_ttl} {epoch}"),
            None => format!("{process} {max_ttl}"),
        }
    }

    /// The marker for the process at the other end of a connection, which is what `info` says.
    pub(crate) fn marker_of(&self, info: &Info, epoch: Option<u64>) -> Marker {
        // The same process may have been a replica in the meantime, with older data that contain its own earlier marker.
        let process = match info.history.as_str() {
            "" => Cow::from(&info.run_id),
            history => Cow::from(format!("{}/{history}", info.run_id)),
        };
        Marker {
            key: self.marker_key.clone(),
            quarantine_key: self.quarantine_key.clone(),
            value: self.marker(&process, epoch),
            guard_time: match epoch {
                Some(_) => self.guard_time_after_a_move,
                None => self.guard_time,
            },
        }
    }
}
