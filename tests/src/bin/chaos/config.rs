//! The configuration that all clients of a run share, and values that depend on it.

use std::time::Duration;

use redlock::{Builder, Redlock, RestartGuard};

pub(crate) const NODES: usize = 5;
pub(crate) const QUORUM: usize = 3;
pub(crate) const TTL: Duration = Duration::from_secs(1);
/// Small, so that the guard time is short and many restarts fit into a run.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(2);
pub(crate) const CLOCK_SKEW: Duration = Duration::from_millis(200);
pub(crate) const NODE_TIMEOUT: Duration = Duration::from_millis(150);

/// How long a request waits while faults are injected.
pub(crate) const WAIT: Duration = Duration::from_secs(3);
/// How long the last request of each task waits, after recovery. It must not fail.
pub(crate) const LAST_WAIT: Duration = Duration::from_secs(15);

/// For how long the votes of a restarted node do not count.
pub(crate) const GUARD_TIME: Duration = Duration::from_millis(2_220);
/// A node that is at most this much younger than the oldest counts as started together with it.
pub(crate) const SAME_START: Duration = Duration::from_secs(5);

/// Held for a long time, so that nodes fail and lose data while it is held.
pub(crate) const SLOW_KEY: &str = "hot:slow";
/// Held for milliseconds, by many clients.
pub(crate) const QUICK_KEYS: [&str; 2] = ["hot:quick:0", "hot:quick:1"];
/// All contended keys.
pub(crate) const HOT_KEYS: [&str; 3] = [SLOW_KEY, QUICK_KEYS[0], QUICK_KEYS[1]];
pub(crate) const COLD_KEYS: usize = 16;
pub(crate) const PROBE_KEYS: usize = 64;

/// A semaphore, and its number of permits.
pub(crate) const SEMAPHORE: &str = "semaphore";
pub(crate) const PERMITS: u32 = 3;
/// A read/write lock.
pub(crate) const SIDES_KEY: &str = "sides";
/// An election.
pub(crate) const LEADER_KEY: &str = "leader";
/// Locks that travel between clients.
pub(crate) const TICKET_KEYS: [&str; 3] = ["ticket:0", "ticket:1", "ticket:2"];
/// Locks with a register.
pub(crate) const REGISTER_KEYS: [&str; 2] = ["register:0", "register:1"];
/// How long a value of a register is kept. Short, since a restarted node has no vote for as long.
pub(crate) const RETENTION: Duration = Duration::from_secs(2);

/// The number of keys that locks may leave behind: one fence for each lock, and for each permit; two
/// for a read/write lock; and the number of permits, and the registers.
pub(crate) const KEPT_KEYS: usize = HOT_KEYS.len()
    + COLD_KEYS
    + PROBE_KEYS
    + PERMITS as usize
    + 1
    + 2
    + 1
    + TICKET_KEYS.len()
    + 2 * REGISTER_KEYS.len();

/// The key that the probe takes at its `number`th attempt.
pub(crate) fn probe_key(number: usize) -> String {
    format!("probe:{number}")
}

/// Whether only the probe takes this key.
pub(crate) fn is_probe_key(key: &str) -> bool {
    key.starts_with("probe:")
}

/// How long a grant is valid from the start of its winning round, as documented.
pub(crate) fn validity(ttl: Duration) -> Duration {
    ttl - ttl / 100 - Duration::from_millis(2)
}

pub(crate) fn builder(nodes: &[String], guard: RestartGuard) -> Builder {
    Redlock::builder()
        .nodes(nodes.iter().cloned())
        .ttl(TTL)
        .wait(WAIT)
        .max_ttl(MAX_TTL)
        .clock_skew(CLOCK_SKEW)
        .node_timeout(NODE_TIMEOUT)
        .restart_guard(guard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_time_is_the_documented_one() {
        assert_eq!(GUARD_TIME, MAX_TTL + MAX_TTL / 100 + CLOCK_SKEW);
    }
}
