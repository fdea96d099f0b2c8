//! `acquire.lua`: takes a lock together with its fencing token, in one step.

use super::{
    Args, Raised, Redis, Reply,
    guard::{NoVote, no_vote},
    short_number,
};
use crate::command::{Owner, TOKEN_LIMIT};

pub(super) fn acquire(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let abstains = match keys.get(3) {
        Some(marker) => no_vote(redis, marker, keys.at(4), args.at(7), args.number(8)?)?,
        None => None,
    };
    step(redis, abstains, keys, args)
}

/// `steps/acquire.lua`.
pub(super) fn step(
    redis: &mut Redis<'_>,
    abstains: Option<NoVote>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let (key, fence_key, waiters) = (keys.at(0), keys.at(1), keys.at(2));
    let (owner, inbox) = (args.at(0), args.at(5));
    let (ttl, token, retention) = (args.number(1)?, args.number(2)?, args.number(3)?);
    let abstains = match abstains {
        Some(NoVote::Refused(reply)) => return Ok(reply),
        Some(NoVote::Quarantined(reply)) => Some(reply),
        None => None,
    };
    let holder = redis.mget(key);
    let (is_held, is_own) = (holder.is_some(), holder == Some(owner));
    if is_held && !is_own {
        return held(redis, key, fence_key, waiters, inbox, args);
    }
    match redis.mget(fence_key).map(<[u8]>::to_vec) {
        Some(fence) => {
            match short_number(&fence) {
                Some(number) if number < TOKEN_LIMIT => {
                    if number >= token {
                        return Ok(Reply::Array(vec![Reply::bulk("STALE"), Reply::Bulk(fence)]));
                    }
                }
                _ => return Ok(bad_fence(&fence)),
            }
            redis.set(fence_key, args.at(4), Some(retention))?;
        }
        None => {
            if !redis.set_nx(fence_key, args.at(4), Some(retention))? {
                return Ok(wrong_type(fence_key));
            }
        }
    }
    if is_held {
        redis.set(key, owner, Some(ttl))?;
    } else if !redis.set_nx(key, owner, Some(ttl))? {
        return Ok(wrong_type(key));
    }
    if !inbox.is_empty() {
        // The script ignores an error (`pcall`): the lock is taken.
        let _ = redis.zrem(waiters, &[inbox.into()]);
    }
    Ok(abstains.unwrap_or(Reply::OK))
}

/// Another client holds the lock: replies `{HELD, left, fence, owner}`, and adds the inbox to the
/// waitlist.
fn held(
    redis: &mut Redis<'_>,
    key: &[u8],
    fence_key: &[u8],
    waiters: &[u8],
    inbox: &[u8],
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let left = redis.pttl(key);
    if left == -1 {
        return Ok(Reply::Array(vec![Reply::bulk("NOEXPIRY")]));
    }
    let mut parts = vec![
        Reply::bulk("HELD"),
        Reply::Int(left),
        Reply::Bulk(short_fence(redis.mget(fence_key))),
        Reply::Bulk(short_owner(redis.mget(key))),
    ];
    if !inbox.is_empty() {
        if redis.zadd(waiters, args.number(6)?, inbox).is_err() {
            parts.push(Reply::Int(0));
            return Ok(Reply::Array(parts));
        }
        let until = left.saturating_add(10_000);
        if redis.pttl(waiters) < until {
            let _ = redis.pexpire(waiters, u64::try_from(until).unwrap_or(0));
        }
    }
    Ok(Reply::Array(parts))
}

/// A fence in a reply, cut so that the reply has a bounded length.
pub(super) fn short_fence(fence: Option<&[u8]>) -> Vec<u8> {
    fence
        .filter(|fence| fence.len() <= 16)
        .unwrap_or(b"0")
        .to_vec()
}

/// An owner in a reply.
pub(super) fn short_owner(owner: Option<&[u8]>) -> Vec<u8> {
    let owner = owner.filter(|owner| owner.len() <= Owner::MAX_LEN);
    owner.unwrap_or_default().to_vec()
}

pub(super) fn bad_fence(fence: &[u8]) -> Reply {
    let shown = &fence[..fence.len().min(32)];
    Reply::Array(vec![Reply::bulk("BADFENCE"), Reply::bulk(shown)])
}

pub(super) fn wrong_type(key: &[u8]) -> Reply {
    Reply::Array(vec![Reply::bulk("WRONGTYPE"), Reply::bulk(key)])
}
