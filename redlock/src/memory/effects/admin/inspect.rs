//! `inspect.lua` and `holder.lua`: who holds a lock, for how long, and how many processes wait.

use super::super::{
    Args, Raised, Redis, Reply,
    acquire::{short_fence, short_owner},
    waitlist::COUNTED,
};
use crate::command::Owner;

/// Maximum length of the value that `holder.lua` returns: one byte more than the longest owner.
const SHOWN: usize = Owner::MAX_LEN + 1;

pub(crate) fn inspect(redis: &mut Redis<'_>, keys: Args<'_>, _: Args<'_>) -> Result<Reply, Raised> {
    let (key, fence_key) = (keys.at(0), keys.at(1));
    let owner = redis.mget(key).map(|owner| short_owner(Some(owner)));
    // As a `pcall`.
    let waiting = redis.zrange(keys.at(2), COUNTED).unwrap_or_default();
    Ok(Reply::Array(vec![
        owner.map_or(Reply::Nil, Reply::Bulk),
        Reply::Int(redis.pttl(key)),
        Reply::Bulk(short_fence(redis.mget(fence_key))),
        Reply::Int(i64::try_from(waiting.len()).unwrap_or(i64::MAX)),
    ]))
}

pub(crate) fn holder(redis: &mut Redis<'_>, keys: Args<'_>, _: Args<'_>) -> Result<Reply, Raised> {
    let key = keys.at(0);
    let value = redis.mget(key).unwrap_or_default();
    let shown = Reply::bulk(&value[..value.len().min(SHOWN)]);
    Ok(Reply::Array(vec![Reply::Int(redis.pttl(key)), shown]))
}
