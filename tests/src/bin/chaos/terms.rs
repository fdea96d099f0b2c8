//! The settings that all clients of a run share, and what follows from them.

use std::time::Duration;

use redlock::{Builder, Redlock, RestartGuard};

pub(crate) const NODES: usize = 5;
pub(crate) const QUORUM: usize = 3;
pub(crate) const TTL: Duration = Duration::from_secs(1);
/// Small, so that the guard time is short and there is time for many restarts.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(2);
pub(crate) const SKEW: Duration = Duration::from_millis(200);
pub(crate) const NODE_TIMEOUT: Duration = Duration::from_millis(150);

/// How long a waiter waits while the nemesis rages.
pub(crate) const WAIT: Duration = Duration::from_secs(3);
/// How long the last turns wait, in the calm: nobody may be left out.
pub(crate) const LAST_WAIT: Duration = Duration::from_secs(15);

/// For how long a node that restarted has no vote.
pub(crate) const GUARD_TIME: Duration = Duration::from_millis(2_220);
/// How much younger than the oldest node a node may be and still be taken for one that started with it.
pub(crate) const SAME_START: Duration = Duration::from_secs(5);

/// Held for long: who is inside can be robbed by nodes that forget.
pub(crate) const SLOW_KEY: &str = "hot:slow";
/// Held for moments, by many.
pub(crate) const QUICK_KEYS: [&str; 2] = ["hot:quick:0", "hot:quick:1"];
pub(crate) const COLD_KEYS: usize = 16;
pub(crate) const PROBE_KEYS: usize = 64;

/// How many keys there are in all; each may leave one fence behind.
pub(crate) const MOST_KEYS: usize = 1 + QUICK_KEYS.len() + COLD_KEYS + PROBE_KEYS;

/// How long from the start of its winning round a grant may be relied on, as the documentation says.
pub(crate) fn usable(ttl: Duration) -> Duration {
    ttl - ttl / 100 - Duration::from_millis(2)
}

pub(crate) fn builder(nodes: &[String], guard: RestartGuard) -> Builder {
    Redlock::builder()
        .nodes(nodes.iter().cloned())
        .ttl(TTL)
        .wait(WAIT)
        .max_ttl(MAX_TTL)
        .clock_skew(SKEW)
        .node_timeout(NODE_TIMEOUT)
        .restart_guard(guard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_time_is_the_documented_one() {
        assert_eq!(GUARD_TIME, MAX_TTL + MAX_TTL / 100 + SKEW);
    }
}
