//! For how long a node that may have forgotten locks has no vote.

use std::time::Duration;

use super::{token::FencingToken, validity};
use crate::mutant::{self, Mutant};

/// What to do about a node that restarted and may have forgotten locks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestartGuard {
    /// A node that forgot under this client, or that is younger than the others, has no vote until every lock that it
    /// may have forgotten has expired: `max_ttl + 1 % + clock skew`. Costs nothing.
    ///
    /// A node forgot if another process answers at its address (by its run id, or by its uptime where it tells none); if
    /// the same process was a replica of another server, or was promoted; if it is loading its data; and if its data
    /// were emptied: by `FLUSHALL`, by a synchronisation from a master or by `DEBUG RELOAD`. Of the last the server tells
    /// over each connection (`CLIENT TRACKING`), before it answers anything else. It does not tell which database was
    /// emptied, so `FLUSHDB` of another one counts too.
    ///
    /// Not covered:
    /// - What a node forgot before this client met it, other than by a restart, or by losing all its keys under another
    ///   client; a restart of all nodes at once; single
    ///   keys that were deleted or evicted; `SWAPDB`. (Of slots of a Redis Cluster that moved it learns all the same: see
    ///   the crate's documentation.)
    /// - What happened while this client had no connection to the node and left no other trace than missing keys.
    /// - A server, or a user, without `CLIENT TRACKING`: what empties its data is noticed on the next connection, where
    ///   it leaves a trace there.
    /// - A client that meets the nodes for the first time and reaches only such as restarted within 5 s of each other: it
    ///   takes that for their first start and counts their votes at once, though a node that it cannot reach knows
    ///   better.
    /// - A node that restarts within 5 s after the oldest one first started: to clients that did not see it, it is part
    ///   of the first start, whatever it was granted in between.
    #[default]
    Observed,
    /// A marker on each node names the process that it was, and the election by which sentinels made it the master. A node
    /// whose marker is missing, or names another process or an earlier election, has no vote for the guard time, towards every client and whatever its uptime. Covers what `Observed` does not, for
    /// some percent of the servers' time.
    ///
    /// A first deployment waits once for the guard time, or an operator vouches by
    /// [`trust_nodes`](crate::Redlock::trust_nodes). Data that were replaced under a living process may bring the marker
    /// along: that counts as under `Observed`, for the clients that see it. A client with another `max_ttl` is refused. It needs fencing.
    Strict,
    /// Every node votes at once. For nodes that lose nothing: `appendfsync always`.
    Off,
}

/// How much younger than the oldest node a node may be and still belong to the same first start.
const SAME_START: Duration = Duration::from_secs(5);

/// `max_ttl + 1 % + skew bound` and the length of a block of tokens: after that, whatever the node forgot has expired everywhere.
pub(crate) fn guard_time(max_ttl: Duration, skew: Duration) -> Duration {
    if mutant::on(Mutant::GuardShort) {
        return validity::usable(max_ttl).mul_f64(0.5);
    }
    max_ttl
        .saturating_add(max_ttl / 100)
        .saturating_add(skew)
        .saturating_add(Duration::from_micros(FencingToken::BLOCK))
}

/// The least time for which votes count after it was confirmed who serves: some round trips on a busy machine.
const LEAST_CONFIRMED: Duration = Duration::from_secs(2);

/// For how long votes count after a majority of the sentinels, or of the masters of a cluster, confirmed who serves: a
/// server that was replaced may not know it yet.
pub(crate) fn confirmed_for(skew: Duration) -> Duration {
    skew.max(LEAST_CONFIRMED)
}

/// For how long a server has no vote that took over from another: until every lock has expired that its predecessor
/// granted, also to clients that had not heard of it.
pub(crate) fn after_a_move(max_ttl: Duration, skew: Duration) -> Duration {
    guard_time(max_ttl, confirmed_for(skew))
}

/// For how long a node that this client meets for the first time has no vote.
///
/// `uptime` is the node's, `oldest` the longest uptime among all nodes known. A node that started with the others is
/// trusted: a first deployment has no locks to forget.
pub(crate) fn on_first_sight(
    uptime: Duration,
    oldest: Duration,
    guard_time: Duration,
) -> Option<Duration> {
    // Once the oldest has outlived the guard time, whoever has not is younger than locks may be, however close together
    // they started: of nodes that restart one after the other, the oldest no longer is the first.
    let joined_later = oldest >= guard_time || oldest.saturating_sub(uptime) > SAME_START;
    (joined_later && uptime < guard_time).then(|| guard_time - uptime)
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
    fn a_node_younger_than_the_others_waits_for_what_is_left() {
        let waits = on_first_sight(Duration::from_secs(6), Duration::from_secs(3_600), GUARD);
        assert_eq!(waits, Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_node_as_old_as_the_guard_time_votes() {
        assert_eq!(
            on_first_sight(GUARD, Duration::from_secs(3_600), GUARD),
            None
        );
    }

    #[test]
    fn guard_time_covers_the_longest_lease_its_drift_and_the_skew() {
        let time = guard_time(Duration::from_secs(60), Duration::from_secs(5));
        assert_eq!(time, Duration::from_micros(65_600_256));
    }
}
