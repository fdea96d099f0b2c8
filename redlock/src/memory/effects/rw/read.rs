//! `read/acquire.lua`, `read/extend.lua` and `read/release.lua`: the readers of a read/write lock.

use super::{
    Args, Raised, Redis, Reply, Waits, abstains, add_reader, bars, began, held, leave_tombstone,
    raise, read_for, stale, text, wake, wrong_type,
};

pub(crate) fn acquire(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let abstains = match abstains(redis, keys, args, (6, 6))? {
        Ok(abstains) => abstains,
        Err(refused) => return Ok(refused),
    };
    let (readers, own_bar, other_bar) = (keys.at(0), keys.at(1), keys.at(3));
    let (ttl, token, retention) = (args.number(1)?, args.number(2)?, args.number(3)?);
    let waits = Waits {
        waiters: keys.at(5),
        inbox: args.at(4),
        since: args.number(5)?,
    };
    let writer = text(redis, keys.at(2));
    let began = redis.mget(keys.at(4)).and_then(began);
    let barred = began.is_some_and(|began| waits.inbox.is_empty() || waits.since as f64 >= began);
    if writer.is_some() || barred {
        let left = redis.pttl(keys.at(if writer.is_some() { 2 } else { 4 }));
        if left == -1 {
            return Ok(Reply::Array(vec![Reply::bulk("NOEXPIRY")]));
        }
        return held(redis, left, own_bar, writer.as_deref(), waits);
    }
    let (own, other) = match bars(redis, own_bar, other_bar) {
        Ok(bars) => bars,
        Err(bad) => return Ok(bad),
    };
    if own.is_some_and(|own| own >= token) {
        return Ok(stale(redis, own_bar));
    }
    if !raise(redis, other_bar, other, args.at(2), retention)? {
        return Ok(wrong_type(other_bar));
    }
    if !add_reader(redis, readers, args.at(0), ttl)? {
        return Ok(wrong_type(readers));
    }
    if !waits.inbox.is_empty() {
        // As a `pcall`: the reader is there.
        let _ = redis.zrem(waits.waiters, &[waits.inbox.into()]);
    }
    Ok(abstains.unwrap_or(Reply::OK))
}

pub(crate) fn extend(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let abstains = match abstains(redis, keys, args, (4, 4))? {
        Ok(abstains) => abstains,
        Err(refused) => return Ok(refused),
    };
    let (readers, own_bar, other_bar) = (keys.at(0), keys.at(1), keys.at(3));
    let (ttl, token, retention) = (args.number(1)?, args.number(2)?, args.number(3)?);
    let is_only = redis.mget(readers) == Some(args.at(0));
    let left = match redis.mget(readers) {
        Some(_) => 0,
        None => {
            let expires = redis.zscore(readers, args.at(0))?.unwrap_or(0);
            expires.saturating_sub(redis.time())
        }
    };
    let reads = is_only || left > 0;
    let gone = || Reply::Status("GONE");
    if !reads && redis.mget(keys.at(2)).is_some() {
        return Ok(abstains.unwrap_or_else(gone));
    }
    let (own, other) = match bars(redis, own_bar, other_bar) {
        Ok(bars) => bars,
        Err(bad) => return Ok(bad),
    };
    if !reads && own.is_some_and(|own| own >= token) {
        return Ok(abstains.unwrap_or_else(gone));
    }
    if reads {
        let left = u64::try_from(redis.pttl(readers)).unwrap_or(0);
        redis.pexpire(readers, left.max(ttl))?;
    }
    if !raise(redis, other_bar, other, args.at(2), retention)? {
        return Ok(wrong_type(other_bar));
    }
    if !is_only && left < ttl && !add_reader(redis, readers, args.at(0), ttl)? {
        return Ok(wrong_type(readers));
    }
    let done = if reads {
        Reply::OK
    } else {
        Reply::Status("RESTORED")
    };
    Ok(abstains.unwrap_or(done))
}

pub(crate) fn release(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let (readers, owner) = (keys.at(0), args.at(0));
    let is_only = redis.mget(readers) == Some(owner);
    // A key of another type has no readers (`pcall`).
    let is_listed = || {
        redis
            .zscore(readers, owner)
            .is_ok_and(|score| score.is_some())
    };
    let removed = is_only || is_listed();
    if is_only {
        redis.del(readers)?;
    } else if removed {
        redis.zrem(readers, &[owner.into()])?;
    }
    leave_tombstone(redis, keys.at(1), args.at(2), args.number(3)?, false);
    if removed
        && read_for(redis, readers)? == 0
        && wake(redis, keys.at(3), args.at(1), owner, keys.at(2)) > 0
    {
        return Ok(Reply::Status("WOKE"));
    }
    Ok(Reply::OK)
}
