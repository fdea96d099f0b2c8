//! `adopt.lua` and `give_back.lua`: adoption of a detached lock, and its rollback.

use super::{
    Args, Raised, Redis, Reply,
    acquire::{bad_fence, short_fence, short_owner, wrong_type},
    guard::{NoVote, no_vote},
    put::{leave_tombstone, put},
    short_number,
};
use crate::command::TOKEN_LIMIT;

pub(super) fn adopt(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let (key, fence_key) = (keys.at(0), keys.at(1));
    let (owner, token) = (args.at(0), args.number(2)?);
    let (ttl, retention) = (args.number(1)?, args.number(3)?);
    let abstains = match keys.get(2) {
        Some(marker) => no_vote(redis, marker, keys.at(3), args.at(6), args.number(7)?)?,
        None => None,
    };
    let abstains = match abstains {
        Some(NoVote::Refused(reply)) => return Ok(reply),
        Some(NoVote::Quarantined(reply)) => Some(reply),
        None => None,
    };
    let holder = redis.mget(key).map(<[u8]>::to_vec);
    let is_own = holder.as_deref() == Some(owner);
    if holder.is_some() && !is_own && holder.as_deref() != Some(args.at(4)) {
        let left = redis.pttl(key);
        if left == -1 {
            return Ok(Reply::Array(vec![Reply::bulk("NOEXPIRY")]));
        }
        return Ok(Reply::Array(vec![
            Reply::bulk("HELD"),
            Reply::Int(left),
            Reply::Bulk(short_fence(redis.mget(fence_key))),
            Reply::Bulk(short_owner(holder.as_deref())),
        ]));
    }
    match redis.mget(fence_key).map(<[u8]>::to_vec) {
        Some(fence) => {
            let Some(number) = short_number(&fence).filter(|number| *number < TOKEN_LIMIT) else {
                return Ok(bad_fence(&fence));
            };
            if is_own && number == token {
                return Ok(abstains.unwrap_or(Reply::OK));
            }
            if holder.is_none() && number > args.number(5)? {
                return Ok(abstains.unwrap_or(Reply::Status("GONE")));
            }
            if number >= token {
                return Ok(Reply::Array(vec![Reply::bulk("STALE"), Reply::Bulk(fence)]));
            }
            redis.set(fence_key, args.at(2), Some(retention))?;
        }
        None => {
            if !redis.set_nx(fence_key, args.at(2), Some(retention))? {
                return Ok(wrong_type(fence_key));
            }
        }
    }
    if holder.is_some() {
        redis.set(key, owner, Some(ttl))?;
    } else if !redis.set_nx(key, owner, Some(ttl))? {
        return Ok(wrong_type(key));
    }
    Ok(abstains.unwrap_or(Reply::OK))
}

pub(super) fn give_back(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let key = keys.at(0);
    if redis.mget(key) == Some(args.at(0)) {
        let left = u64::try_from(redis.pttl(key)).unwrap_or(0);
        put(redis, key, args.at(1), left.min(args.number(2)?).max(1))?;
    }
    leave_tombstone(redis, keys.at(1), args.at(3), args.number(4)?, false);
    Ok(Reply::OK)
}
