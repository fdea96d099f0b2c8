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

/// Compares numbers of any length like Lua.
fn is_below(fence: &[u8], other: &[u8]) -> bool {
    let (fence, other) = (lua_number(fence), lua_number(other));
    fence.is_some_and(|fence| other.is_some_and(|other| fence < other))
}
