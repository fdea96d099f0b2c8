//! Nodes: their connections, and whether they vote.

use std::{fmt::Display, time::Duration};

pub(crate) use super::metrics::{NodeMeter, Vote};
use super::{contained, metrics};

const TARGET: &str = "redlock::node";

/// The first contact is over, and a quorum answered.
pub(crate) fn connected(up: usize, nodes: usize, quorum: usize) {
    contained(|| {
        tracing::info!(target: TARGET, up, nodes, quorum, "connected");
    });
}

pub(crate) fn up(node: &str, version: &str) {
    contained(|| {
        metrics::node_up(node, true);
        tracing::info!(target: TARGET, node, version, "node up");
    });
}

pub(crate) fn down(node: &str, cause: &dyn Display) {
    contained(|| {
        metrics::node_up(node, false);
        tracing::warn!(target: TARGET, node, %cause, "node down");
    });
}

/// At the first contact. Later it would be [`down`].
pub(crate) fn unavailable(node: &str, cause: &dyn Display) {
    contained(|| {
        metrics::node_up(node, false);
        tracing::warn!(target: TARGET, node, %cause, "node unavailable");
    });
}

pub(crate) fn servers_unavailable(node: &str, cause: &str) {
    contained(|| {
        tracing::warn!(
            target: TARGET, node, cause,
            "servers of the cluster unavailable: the keys of their slots lack its vote"
        );
    });
}

/// It will never vote: it is a replica, or is listed twice.
pub(crate) fn barred(node: &str, cause: &dyn Display) {
    contained(|| {
        metrics::node_up(node, false);
        tracing::error!(target: TARGET, node, %cause, "node has no vote");
    });
}

/// It may have forgotten locks.
pub(crate) fn quarantined(node: &str, why: &dyn Display, time: Duration) {
    contained(|| {
        metrics::quarantined(node);
        tracing::warn!(
            target: TARGET, node, %why, seconds = time.as_secs(),
            "node quarantined: its votes do not count for the guard time"
        );
    });
}

#[cfg(feature = "cluster")]
pub(crate) fn slots_quarantined(node: &str, slots: &str, time: Duration) {
    contained(|| {
        tracing::warn!(
            target: TARGET, node, slots, seconds = time.as_secs(),
            "slots moved to servers that may not know their locks: they have no vote for the guard time"
        );
    });
}

pub(crate) fn vouched_for() {
    contained(|| {
        tracing::warn!(target: TARGET, "an operator trusted the nodes: all vote from now on");
    });
}

pub(crate) fn no_run_id(node: &str) {
    contained(|| {
        tracing::warn!(
            target: TARGET, node,
            "node reports no run_id: its restarts are only noticed by its uptime, which misses one that takes less than a second"
        );
    });
}

/// The server refuses a command that the client can do without.
pub(crate) fn refuses(node: &str, command: &str, lost: &str, is_usual: bool) {
    contained(|| {
        if is_usual {
            tracing::info!(target: TARGET, node, command, lost, "node refuses a command, as servers in the cloud do");
        } else {
            tracing::warn!(target: TARGET, node, command, lost, "node refuses a command: what is lost without it");
        }
    });
}

/// The provider of credentials failed when a connection needed new ones.
pub(crate) fn credentials_missing(node: &str, cause: &dyn Display) {
    contained(|| {
        tracing::warn!(
            target: TARGET, node, %cause,
            "no new credentials: the connection keeps those that it has, and the provider is asked again"
        );
    });
}

pub(crate) fn credentials_refused(node: &str, cause: &dyn Display) {
    contained(|| {
        tracing::warn!(
            target: TARGET, node, %cause,
            "new credentials refused: the connection keeps those that it has, and the provider is asked again"
        );
    });
}

pub(crate) fn credentials_renewed(node: &str) {
    contained(|| {
        tracing::debug!(target: TARGET, node, "logged in again with new credentials");
    });
}

pub(crate) fn evicts(node: &str, policy: &str) {
    contained(|| {
        tracing::warn!(
            target: TARGET, node, policy,
            "node may evict lock keys when its memory is full, which releases locks silently: set maxmemory-policy to noeviction"
        );
    });
}

pub(crate) fn even_number(nodes: usize, quorum: usize) {
    contained(|| {
        tracing::warn!(
            target: TARGET, nodes, quorum,
            "an even number of nodes survives no more failures than one node less: use an odd number"
        );
    });
}

/// Another list of nodes is in use on it.
pub(crate) fn other_nodes(node: &str, cause: &str) {
    contained(|| {
        tracing::error!(target: TARGET, node, cause, "this client acquires no lock: other clients of the node use other nodes");
    });
}

pub(crate) fn keeps_no_record(node: &str, cause: &dyn Display) {
    contained(|| {
        tracing::warn!(
            target: TARGET, node, %cause,
            "node keeps no record of the lists of nodes that clients use: clients with other nodes go unnoticed there"
        );
    });
}

pub(crate) fn left_out(node: &str, theirs: &str, ours: &str) {
    contained(|| {
        tracing::warn!(
            target: TARGET, node, theirs, ours,
            "node is not among those that other clients know: its votes do not count until all clients know it"
        );
    });
}

pub(crate) fn connection_lost(node: &str, cause: &dyn Display) {
    contained(|| {
        metrics::connection_lost(node);
        tracing::debug!(target: TARGET, node, %cause, "connection lost");
    });
}

pub(crate) fn connection_replaced(node: &str) {
    contained(|| {
        metrics::connection_lost(node);
        tracing::debug!(target: TARGET, node, "connection replaced: it was silent");
    });
}

/// Releases that waited for the node are being sent.
pub(crate) fn deferred_releases_sent(node: &str, releases: usize) {
    contained(|| {
        metrics::deferred(node, "sent", releases);
        tracing::debug!(target: TARGET, node, releases, "deferred releases sent");
    });
}

pub(crate) fn deferred_releases_dropped(node: &str, releases: usize) {
    contained(|| {
        metrics::deferred(node, "dropped", releases);
        tracing::warn!(
            target: TARGET, node, releases,
            "deferred releases dropped: the client is gone and its node did not come back"
        );
    });
}

/// A reply of a node was counted.
pub(crate) fn voted(meter: &NodeMeter, vote: Vote) {
    contained(|| {
        meter.voted(vote);
    });
}

/// A node replied to an announcement after this time.
pub(crate) fn answered(meter: &NodeMeter, time: Duration) {
    contained(|| {
        meter.answered(time);
    });
}

/// So many commands were taken from the backlog of a node to be written, and so many are left in it.
pub(crate) fn batch(meter: &NodeMeter, size: usize, left: usize) {
    contained(|| {
        meter.batch(size, left);
    });
}

/// The commands that waited for a node were refused, since it is down.
pub(crate) fn backlog_refused(meter: &NodeMeter) {
    contained(|| {
        meter.backlog(0);
    });
}
