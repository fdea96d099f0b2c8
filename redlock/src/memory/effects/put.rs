//! `put.lua`: a write that a server without memory carries out too.

use super::{Raised, Redis};

/// `SET key value PX ms`. Such a server refuses the first write of a script if it takes memory, and none after it: so a
/// write that takes none goes before.
pub(super) fn put(redis: &mut Redis<'_>, key: &[u8], value: &[u8], ms: u64) -> Result<(), Raised> {
    match redis.set(key, value, Some(ms)) {
        Err(Raised::OOM) => {
            // As a `pcall`.
            let _ = redis.pexpire(key, ms);
            redis.set(key, value, Some(ms))
        }
        done => done,
    }
}

/// The same with `NX`. Says whether the key was missing.
pub(super) fn put_nx(
    redis: &mut Redis<'_>,
    key: &[u8],
    value: &[u8],
    ms: u64,
) -> Result<bool, Raised> {
    match redis.set_nx(key, value, ms) {
        Err(Raised::OOM) => {
            let _ = redis.pexpire(key, ms);
            redis.set_nx(key, value, ms)
        }
        done => done,
    }
}

/// Leaves a tombstone: the fence rises to `tombstone`, never falls. What the fence holds may be no fence; then it is left
/// alone. Errors are the node's, and whoever comes sees them.
pub(super) fn leave_tombstone(
    redis: &mut Redis<'_>,
    fence_key: &[u8],
    tombstone: &[u8],
    retention: u64,
) {
    let fence = redis.mget(fence_key).map(<[u8]>::to_vec);
    let _ = match fence {
        None => put_nx(redis, fence_key, tombstone, retention).map(drop),
        Some(fence) if is_below(&fence, tombstone) => put(redis, fence_key, tombstone, retention),
        Some(_) => Ok(()),
    };
}

fn is_below(fence: &[u8], other: &[u8]) -> bool {
    let (fence, other) = (super::redis::number(fence), super::redis::number(other));
    fence.is_some_and(|fence| other.is_some_and(|other| fence < other))
}
