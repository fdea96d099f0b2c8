//! `extend.lua`: raises the ttl of a held lock, and writes the lock again if the node forgot it.

use super::{
    Args, Raised, Redis, Reply,
    acquire::{bad_fence, wrong_type},
    guard::{NoVote, no_vote},
    put::{put, put_nx},
    short_number,
};

pub(super) fn extend(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let abstains = match keys.get(2) {
        Some(marker) => no_vote(redis, marker, keys.at(3), args.at(5), args.number(6)?)?,
        None => None,
    };
    step(redis, abstains, keys, args)
}

/// `steps/extend.lua`.
pub(super) fn step(
    redis: &mut Redis<'_>,
    abstains: Option<NoVote>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let (key, owner) = (keys.at(0), args.at(0));
    let abstains = match abstains {
        Some(NoVote::Refused(reply)) => return Ok(reply),
        Some(NoVote::Quarantined(reply)) => Some(reply),
        None => None,
    };
    let holder = redis.mget(key);
    let is_held = holder.is_some();
    if holder.is_some_and(|holder| holder != owner) || !is_held && keys.get(1).is_none() {
        return Ok(abstains.unwrap_or(Reply::Status("GONE")));
    }
    let fence = keys.get(1).and_then(|key| redis.mget(key));
    let fence = fence.map(<[u8]>::to_vec);
    if let Some(fence) = &fence
        && short_number(fence).is_none()
    {
        return Ok(bad_fence(fence));
    }
    if is_held {
        return raise(redis, keys, args, fence.as_deref(), abstains);
    }
    restore(redis, keys, args, fence.as_deref(), abstains)
}

/// The lock is held.
fn raise(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
    fence: Option<&[u8]>,
    abstains: Option<Reply>,
) -> Result<Reply, Raised> {
    let (key, ttl) = (keys.at(0), args.number(1)?);
    if redis.pttl(key) < i64::try_from(ttl).unwrap_or(i64::MAX) {
        redis.pexpire(key, ttl)?;
    }
    if let Some(fence_key) = keys.get(1) {
        let (retention, last) = (args.number(3)?, args.number(4)?);
        match fence {
            Some(fence) if short_number(fence).is_some_and(|fence| fence >= last) => {
                redis.pexpire(fence_key, retention)?;
            }
            Some(_) => put(redis, fence_key, args.at(4), retention)?,
            None => {
                if !put_nx(redis, fence_key, args.at(4), retention)? {
                    return Ok(wrong_type(fence_key));
                }
            }
        }
    }
    Ok(abstains.unwrap_or(Reply::OK))
}

/// The lock is missing. It is written again, unless the fence shows a release or a later holder.
fn restore(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
    fence: Option<&[u8]>,
    abstains: Option<Reply>,
) -> Result<Reply, Raised> {
    let (key, fence_key) = (keys.at(0), keys.at(1));
    let (ttl, token, retention) = (args.number(1)?, args.number(2)?, args.number(3)?);
    match fence.map(short_number) {
        None => {
            if !redis.set_nx(fence_key, args.at(4), Some(retention))? {
                return Ok(wrong_type(fence_key));
            }
        }
        // A tombstone or a later holder.
        Some(fence) if fence.is_none_or(|fence| fence > token) => {
            return Ok(abstains.unwrap_or(Reply::Status("GONE")));
        }
        Some(_) => redis.set(fence_key, args.at(4), Some(retention))?,
    }
    if !redis.set_nx(key, args.at(0), Some(ttl))? {
        return Ok(wrong_type(key));
    }
    Ok(abstains.unwrap_or(Reply::Status("RESTORED")))
}
