//! `put.lua`: a write that also succeeds on a server whose memory is full.

use super::{Raised, Redis, lua_number};

/// `SET key value PX ms`. A full server refuses a write that needs memory only if it is the first
/// of a script. So a write that needs none goes first.
pub(super) fn put(redis: &mut Redis<'_>, key: &[u8], value: &[u8], ms: u64) -> Result<(), Raised> {
    match redis.set(key, value, Some(ms)) {
        Err(Raised::OOM) => {
            // The script ignores an error (`pcall`).
            let _ = redis.pexpire(key, ms);
            redis.set(key, value, Some(ms))
        }
        done => done,
    }
}

/// The same with `NX`. Returns whether the key was missing.
pub(super) fn put_nx(
    redis: &mut Redis<'_>,
    key: &[u8],
    value: &[u8],
    ms: u64,
) -> Result<bool, Raised> {
    match redis.set_nx(key, value, Some(ms)) {
        Err(Raised::OOM) => {
            let _ = redis.pexpire(key, ms);
            redis.set_nx(key, value, Some(ms))
        }
        done => done,
    }
}

/// Leaves a tombstone: raises the fence to `tombstone` and never lowers it. A value that is not
/// a fence is not changed. Errors are ignored: later commands report them.
///
/// `held`: the owner held the lock. Then the fence keeps its expiry if it is the token below the tombstone.
pub(super) fn leave_tombstone(
    redis: &mut Redis<'_>,
    fence_key: &[u8],
    tombstone: &[u8],
    retention: u64,
    held: bool,
) {
    let Some(fence) = redis.mget(fence_key) else {
        let _ = put_nx(redis, fence_key, tombstone, retention);
        return;
    };
    let above = above(fence, tombstone);
    // Exact below 2^53.
    if held && above == 1.0 && redis.incr(fence_key).is_ok() {
        return;
    }
    if above > 0.0 {
        let _ = put(redis, fence_key, tombstone, retention);
    }
}

/// How far `other` is above the fence, by Lua's arithmetic. 0 if one of them is no number.
fn above(fence: &[u8], other: &[u8]) -> f64 {
    let numbers = lua_number(fence).zip(lua_number(other));
    numbers.map_or(0.0, |(fence, other)| other - fence)
}
