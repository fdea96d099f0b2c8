//! Clients of a cluster of three shards.

use std::time::Duration;

use redlock::{Builder, Redlock, RestartGuard};
pub(super) use tests::sharded::{OF_SHARD, SLOTS, Sharded, id, tell};

use crate::support::patient;

pub(super) const MAX_TTL: Duration = Duration::from_secs(2);
pub(super) const SKEW: Duration = Duration::from_millis(500);
/// `max_ttl`, 1 % of it, and the clock skew.
pub(super) const GUARD_TIME: Duration = Duration::from_millis(2520);

pub(super) fn settings(guard: RestartGuard) -> Builder {
    Redlock::builder()
        .ttl(MAX_TTL)
        .max_ttl(MAX_TTL)
        .clock_skew(SKEW)
        .restart_guard(guard)
}

pub(super) fn client(sharded: &Sharded, guard: RestartGuard) -> Builder {
    settings(guard).node(sharded.url())
}

pub(super) async fn connected(sharded: &Sharded, guard: RestartGuard) -> Redlock {
    let connected = client(sharded, guard).connect().await;
    connected.expect("a cluster")
}

pub(super) async fn connect(sharded: &Sharded) -> Redlock {
    patient([sharded.url()]).connect().await.expect("a cluster")
}

/// One hold: granted as requested, and released.
pub(super) async fn take_turn(request: redlock::LockRequest) {
    let guard = request.await.expect("granted");
    guard.release().await.expect("released");
}
