//! `look.lua` and `inspect.lua` of permits: which permits of a semaphore are free, and who holds the others.

use super::{
    Args, Raised, Redis, Reply,
    acquire::{short_fence, short_owner},
    waitlist::COUNTED,
};

/// Maximum length of a different number of permits in a reply, in bytes.
const SHOWN: usize = 16;

pub(super) fn look(redis: &mut Redis<'_>, keys: Args<'_>, args: Args<'_>) -> Result<Reply, Raised> {
    let (key, permits, kept) = (keys.at(0), args.at(0), args.number(1)?);
    let known = redis.mget(key);
    if let Some(other) = known.filter(|known| *known != permits) {
        return Ok(other_permits(other));
    }
    // The script ignores errors (`pcall`).
    if known.is_some() {
        let _ = redis.pexpire(key, kept);
    } else if redis.set_nx(key, permits, Some(kept)) == Ok(false) {
        // A hash, a list or the like.
        return Ok(other_permits(b""));
    }
    let is_free = |permit: &&[u8]| {
        if redis.mget(permit).is_some() {
            b'0'
        } else {
            b'1'
        }
    };
    let free: Vec<u8> = keys.from(1).iter().map(is_free).collect();
    Ok(Reply::Array(vec![Reply::bulk("FREE"), Reply::Bulk(free)]))
}

/// The reply where other clients use another number of permits.
fn other_permits(other: &[u8]) -> Reply {
    let shown = Reply::bulk(&other[..other.len().min(SHOWN)]);
    Reply::Array(vec![Reply::bulk("PERMITS"), shown])
}

pub(super) fn inspect(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    if let Some(other) = redis.mget(keys.at(0)).filter(|other| *other != args.at(0)) {
        return Ok(other_permits(other));
    }
    if redis.mget(keys.at(0)).is_none() && redis.exists(keys.at(0)) {
        return Ok(other_permits(b""));
    }
    // As a `pcall`.
    let waiting = redis.zrange(keys.at(1), COUNTED).unwrap_or_default();
    let int = |number: usize| Reply::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let mut parts = vec![Reply::bulk("HOLDERS"), int(waiting.len())];
    for (number, permit) in keys.from(2).chunks(2).enumerate() {
        let permit = Args(permit);
        if let Some(owner) = redis.mget(permit.at(0)) {
            parts.push(int(number));
            parts.push(Reply::Bulk(short_owner(Some(owner))));
            parts.push(Reply::Int(redis.pttl(permit.at(0))));
            parts.push(Reply::Bulk(short_fence(redis.mget(permit.at(1)))));
        }
    }
    Ok(Reply::Array(parts))
}
