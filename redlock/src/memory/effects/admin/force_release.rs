//! `force_release.lua`: deletes a lock if one of the given owners holds it.

use super::super::{
    Args, Raised, Redis, Reply, acquire::wrong_type, lua_number, put::put, short_number,
    waitlist::wake,
};
use crate::command::Owner;

pub(crate) fn force_release(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let (key, fence_key, retention) = (keys.at(0), keys.at(1), args.number(0)?);
    let is_meant = match redis.mget(key) {
        None if redis.exists(key) => return Ok(wrong_type(key)),
        None => true,
        Some(holder) => {
            let is_long = holder.len() > Owner::MAX_LEN;
            let mut seen = args.from(3).iter();
            seen.any(|seen| *seen == holder || seen.is_empty() && is_long)
        }
    };
    if !is_meant {
        return Ok(Reply::OK);
    }
    let held = redis.del(key)?;
    // Lua adds in floating point, which is another number above 2^53.
    let fence = redis.mget(fence_key);
    let short = fence.filter(|fence| short_number(fence).is_some());
    if let Some(fence) = short.and_then(lua_number) {
        // The script ignores an error (`pcall`).
        let fence = format!("{:.0}", fence + 1.0);
        let _ = put(redis, fence_key, fence.as_bytes(), retention);
    }
    if held {
        wake(redis, keys.at(2), args.at(1), args.at(2), key);
    }
    Ok(Reply::OK)
}
