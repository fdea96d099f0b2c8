//! `inspect.lua` and `holder.lua`: who holds a lock, and for how long.

use super::super::{
    Args, Raised, Redis, Reply,
    acquire::{short_fence, short_owner},
};
use crate::command::Owner;

/// Maximum length of the value that `holder.lua` returns: one byte more than the longest owner.
const SHOWN: usize = Owner::MAX_LEN + 1;

pub(crate) fn inspect(redis: &mut Redis<'_>, keys: Args<'_>, _: Args<'_>) -> Result<Reply, Raised> {
    let (key, fence_key) = (keys.at(0), keys.at(1));
    let owner = redis.mget(key).map(|owner| short_owner(Some(owner)));
    Ok(Reply::Array(vec![
        owner.map_or(Reply::Nil, Reply::Bulk),
        Reply::Int(redis.pttl(key)),
        Reply::Bulk(short_fence(redis.mget(fence_key))),
    ]))
}

pub(crate) fn holder(redis: &mut Redis<'_>, keys: Args<'_>, _: Args<'_>) -> Result<Reply, Raised> {
    let key = keys.at(0);
    let value = redis.mget(key).unwrap_or_default();
    let shown = Reply::bulk(&value[..value.len().min(SHOWN)]);
    Ok(Reply::Array(vec![Reply::Int(redis.pttl(key)), shown]))
}
