//! `release.lua`: releases a lock if the owner still holds it, and leaves a tombstone.

use super::{Args, Raised, Redis, Reply, put::leave_tombstone, waitlist::wake};

pub(super) fn release(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let (key, owner) = (keys.at(0), args.at(0));
    let held = redis.mget(key) == Some(owner);
    if held {
        redis.del(key)?;
    }
    if let Some(fence_key) = keys.get(2) {
        leave_tombstone(redis, fence_key, args.at(2), args.number(3)?, held);
    }
    if held && wake(redis, keys.at(1), args.at(1), owner, key) > 0 {
        return Ok(Reply::Status("WOKE"));
    }
    Ok(Reply::OK)
}
