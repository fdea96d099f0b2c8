//! For how long the votes of a node that may have forgotten locks do not count.

use std::time::Duration;

use super::{node_set::quorum, token_block::TokenBlock};

/// What to do about a node that restarted and may have forgotten locks. Default:
/// [`Observed`](Self::Observed).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestartGuard {
    /// A node that lost its data while this client knew it, or that is younger than the other
    /// nodes, has no vote until every lock that it may have forgotten has expired: `max_ttl + 1 % +
    /// clock skew`. Costs nothing.
    ///
    /// A node has lost its data if another process answers at its address (by its run id, or by its
    /// uptime if it reports none); if the same process was a replica of another server, or was
    /// promoted; if it is loading its data; and if its data were emptied: by `FLUSHALL`, by a
    /// synchronisation from a master or by `DEBUG RELOAD`. The server reports the last kind on each
    /// connection (`CLIENT TRACKING`), before it answers anything else. It does not report which
    /// database was emptied, so `FLUSHDB` of another one counts too.
    ///
    /// Not covered:
    /// - What a node forgot before this client met it, other than by a restart, or by losing all
    ///   its keys under another client; a restart of a majority at once; single keys that were
    ///   deleted or evicted; `SWAPDB`. (Slots of a Redis Cluster that moved are covered: see the
    ///   crate's documentation.)
    /// - What happened while this client had no connection to the node, and left no other trace
    ///   than missing keys.
    /// - A server, or a user, without `CLIENT TRACKING`: emptied data are noticed on the next
    ///   connection, if they leave a trace there.
    /// - A client that meets the nodes for the first time and reaches only nodes that restarted
    ///   within 5 s of each other: it takes that for their first start and counts their votes at
    ///   once, even if a node that it cannot reach would show otherwise. So it is with a node that
    ///   restarts within 5 s after the oldest one first started. In both cases, another client that
    ///   knew the node and has reached it since then has left word on it that its data were lost,
    ///   and its vote does not count.
    #[default]
    Observed,
    /// A marker on each node names the process that wrote it, its last promotion, and the election
    /// by which sentinels made it the master. A node whose marker is missing, or names another
    /// process, promotion or earlier election, has no vote for the guard time, for any client and
    /// whatever its uptime. Covers what `Observed` does not, for a few percent of the servers' time.
    ///
    /// A first deployment waits once for the guard time, unless an operator calls
    /// [`trust_nodes`](crate::Redlock::trust_nodes). Data that were replaced while the process
    /// lived, other than by a promotion, may contain the marker: the clients that see it handle
    /// that as under `Observed`. A client with another `max_ttl` is refused. Requires fencing.
    ///
    /// Not covered: a promotion that the server no longer tells when clients connect, because its
    /// `repl-backlog-ttl` (an hour by default) is shorter than the guard time and it had no replica
    /// for so long; and without `CLIENT TRACKING`, a promotion that a connection outlived.
    Strict,
    /// Every node votes at once. For nodes that never lose data: `appendfsync always`.
    Off,
}

/// How much younger than the oldest node a node may be and still belong to the same first start.
const SAME_START: Duration = Duration::from_secs(5);
/// Servers report their uptime in whole seconds, rounded down.
const UPTIME_UNIT: Duration = Duration::from_secs(1);

/// `max_ttl + 1 % + skew bound`, and how far a block of tokens may reach ahead of the clock: after this time every lock
/// that the node forgot has expired.
pub(crate) fn guard_time(max_ttl: Duration, skew: Duration) -> Duration {
    max_ttl
        .saturating_add(max_ttl / 100)
        .saturating_add(skew)
        .saturating_add(Duration::from_micros(TokenBlock::MOST_AHEAD))
}

/// The minimum of [`confirmed_for`]: some round trips on a busy machine.
const MIN_CONFIRMED: Duration = Duration::from_secs(2);

/// How long votes count after a majority of the sentinels, or of the masters of a cluster,
/// confirmed which server is the master: a server that was replaced may not know it yet.
pub(crate) fn confirmed_for(skew: Duration) -> Duration {
    skew.max(MIN_CONFIRMED)
}

/// How long a server that took over from another has no vote: until every lock of its predecessor
/// has expired, also those granted to clients that had not learnt of the change.
pub(crate) fn after_a_move(max_ttl: Duration, skew: Duration) -> Duration {
    guard_time(max_ttl, confirmed_for(skew))
}

/// How long a node that this client meets for the first time has no vote. `None` if it votes at
/// once.
///
/// `uptime` is the node's, `oldest` the longest uptime of all known nodes. A node that started
/// together with the others is trusted: in a first deployment there are no locks to forget.
pub(crate) fn on_first_sight(
    uptime: Duration,
    oldest: Duration,
    guard_time: Duration,
) -> Option<Duration> {
    // If nodes restart one after the other, the oldest is no longer the first that restarted. So
    // once the oldest has outlived the guard time, a node that has not may have forgotten locks,
    // however close together they started. Servers report their uptime in whole seconds: the oldest
    // may have outlived a short guard time already.
    let difference = oldest.saturating_sub(uptime);
    let may_have_outlived = oldest + UPTIME_UNIT >= guard_time && difference > UPTIME_UNIT / 2;
    let joined_later = oldest >= guard_time || may_have_outlived || difference > SAME_START;
    (joined_later && uptime < guard_time).then(|| guard_time - uptime)
}

/// Until when a node has no vote that lost its data before this client met it, in microseconds of the client's clock.
///
/// `lost` is when other clients noticed that, and `losses` the same of all nodes that did, of how many `nodes`. `None` if a
/// majority lost their data together: no lock is left to protect, and nodes that were emptied together count as new.
pub(crate) fn after_a_loss(
    lost: i64,
    losses: &[i64],
    nodes: usize,
    guard_time: Duration,
) -> Option<i64> {
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    // Nodes that are emptied one guard time after the other have to count one by one, although a loss may be noticed late.
    let together = micros(SAME_START.min(guard_time / 4)).unsigned_abs();
    let near = losses
        .iter()
        .filter(|other| other.abs_diff(lost) <= together);
    (near.count() < quorum(nodes)).then(|| lost.saturating_add(micros(guard_time)))
}

#[cfg(test)]
mod tests {
    use super::*;
    const GUARD: Duration = Duration::from_secs(66);

    #[test]
    fn nodes_that_started_together_vote_at_once() {
        assert_eq!(
            on_first_sight(Duration::ZERO, Duration::from_secs(5), GUARD),
            None
        );
    }

    #[test]
    fn a_node_younger_than_the_others_waits_for_the_rest_of_the_guard_time() {
        let waits = on_first_sight(Duration::from_secs(6), Duration::from_secs(3_600), GUARD);
        assert_eq!(waits, Some(Duration::from_secs(60)));
    }

    #[test]
    fn rounding_of_uptimes_hides_no_restart() {
        // The oldest has run for 1.9 s, and the other one restarted just now.
        let (stated, guard) = (Duration::from_secs(1), Duration::from_millis(1_500));
        assert_eq!(on_first_sight(Duration::ZERO, stated, guard), Some(guard));
        assert_eq!(on_first_sight(stated, stated, guard), None);
    }

    #[test]
    fn a_node_older_than_the_guard_time_votes_at_once() {
        assert_eq!(
            on_first_sight(GUARD, Duration::from_secs(3_600), GUARD),
            None
        );
    }

    #[test]
    fn a_loss_that_others_saw_bars_the_node_unless_a_majority_lost_their_data_with_it() {
        let guard = i64::try_from(GUARD.as_micros()).expect("small");
        let until = |losses: &[i64], nodes| after_a_loss(losses[0], losses, nodes, GUARD);
        assert_eq!(until(&[-5], 3), Some(guard - 5));
        assert_eq!(until(&[7, 6], 3), None);
        assert_eq!(until(&[7, 6], 5), Some(guard + 7));
        assert_eq!(until(&[7, 6, 5], 5), None);
        let apart = 6_000_000;
        assert_eq!(until(&[apart, 0], 3), Some(guard + apart));
        assert_eq!(until(&[7], 1), None);
    }

    #[test]
    fn the_guard_time_covers_the_longest_lease_plus_drift_and_skew() {
        let time = guard_time(Duration::from_secs(60), Duration::from_secs(5));
        assert_eq!(time, Duration::from_micros(65_601_024));
    }
}
