//! `write/acquire.lua`, `write/extend.lua`, `write/release.lua` and `write/leave.lua`: the writer of a read/write lock.

use super::{
    Args, Raised, Redis, Reply, Waits, abstains, bar, bars, began, held, is_of, leave_tombstone,
    raise, read_for, stale, text, wake, wake_all, wrong_type,
};
use crate::command::SECOND;

/// How long an intent is kept when the lease that refused the writer is over, in milliseconds.
const INTENT: i64 = 3_000;

pub(crate) fn acquire(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let abstains = match abstains(redis, keys, args, (6, 7))? {
        Ok(abstains) => abstains,
        Err(refused) => return Ok(refused),
    };
    let (key, owner, readers) = (keys.at(0), args.at(0), keys.at(2));
    let waits = Waits {
        waiters: keys.at(5),
        inbox: args.at(5),
        since: args.number(6)?,
    };
    let writer = text(redis, key);
    let intent = text(redis, keys.at(4));
    let is_own = !waits.inbox.is_empty()
        && intent
            .as_deref()
            .is_some_and(|intent| is_of(intent, waits.inbox));
    let other_writer = writer.as_deref().filter(|writer| *writer != owner);
    let left = match other_writer {
        Some(_) => redis.pttl(key),
        None => read_for(redis, readers)?,
    };
    if left == -1 {
        return Ok(Reply::Array(vec![Reply::bulk("NOEXPIRY")]));
    }
    if other_writer.is_some() || left > 0 {
        let may_wait = is_own || intent.is_none();
        let other_writer = other_writer.map(<[u8]>::to_vec);
        return refuse(redis, keys, args, waits, (left, other_writer, may_wait));
    }
    take(redis, keys, args, waits, is_own)
        .map(|done| done.unwrap_or_else(|| abstains.unwrap_or(Reply::OK)))
}

/// Refuses the writer, because another writer or readers hold the lock for `left` ms. The writer leaves an intent if it
/// `may_wait`.
fn refuse(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
    waits: Waits<'_>,
    (left, other_writer, may_wait): (i64, Option<Vec<u8>>, bool),
) -> Result<Reply, Raised> {
    if let (false, Ok(own)) = (waits.inbox.is_empty(), bar(redis, keys.at(1))) {
        if own.is_some_and(|own| args.number(2).is_ok_and(|token| own >= token)) {
            return Ok(stale(redis, keys.at(1)));
        }
        if may_wait {
            let intent = [waits.inbox, b" ", args.at(6)].concat();
            let kept = u64::try_from(left.saturating_add(INTENT)).ok();
            let _ = redis.set(keys.at(4), &intent, kept);
        }
    }
    held(redis, left, keys.at(1), other_writer.as_deref(), waits)
}

/// Takes the lock, which nobody else holds. Returns a reply if that fails.
fn take(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
    waits: Waits<'_>,
    is_own: bool,
) -> Result<Option<Reply>, Raised> {
    let (key, own_bar, other_bar) = (keys.at(0), keys.at(1), keys.at(3));
    let (owner, token, retention) = (args.at(0), args.number(2)?, args.number(3)?);
    let is_held = redis.mget(key).is_some();
    let (own, other) = match bars(redis, own_bar, other_bar) {
        Ok(bars) => bars,
        Err(bad) => return Ok(Some(bad)),
    };
    if own.is_some_and(|own| own >= token) {
        return Ok(Some(stale(redis, own_bar)));
    }
    for (bar_key, bar) in [(own_bar, own), (other_bar, other)] {
        if !raise(redis, bar_key, bar, args.at(4), retention)? {
            return Ok(Some(wrong_type(bar_key)));
        }
    }
    let ttl = Some(args.number(1)?);
    if is_held {
        redis.set(key, owner, ttl)?;
    } else if !redis.set_nx(key, owner, ttl)? {
        return Ok(Some(wrong_type(key)));
    }
    redis.del(keys.at(2))?;
    if is_own {
        redis.del(keys.at(4))?;
    }
    if !waits.inbox.is_empty() {
        // As a `pcall`: the lock is taken.
        let _ = redis.zrem(waits.waiters, &[waits.inbox.into()]);
    }
    Ok(None)
}

pub(crate) fn extend(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let abstains = match abstains(redis, keys, args, (4, 5))? {
        Ok(abstains) => abstains,
        Err(refused) => return Ok(refused),
    };
    let (key, own_bar, readers, other_bar) = (keys.at(0), keys.at(1), keys.at(2), keys.at(3));
    let (ttl, token, retention) = (args.number(1)?, args.number(2)?, args.number(3)?);
    let gone = || Reply::Status("GONE");
    let writer = text(redis, key);
    let writes = writer.is_some();
    if writer.is_some_and(|writer| writer != args.at(0))
        || !writes && read_for(redis, readers)? != 0
    {
        return Ok(abstains.unwrap_or_else(gone));
    }
    let (own, other) = match bars(redis, own_bar, other_bar) {
        Ok(bars) => bars,
        Err(bad) => return Ok(bad),
    };
    if !writes && own.is_some_and(|own| own > token) {
        return Ok(abstains.unwrap_or_else(gone));
    }
    if writes && redis.pttl(key) < i64::try_from(ttl).unwrap_or(i64::MAX) {
        redis.pexpire(key, ttl)?;
    }
    for (bar_key, bar) in [(own_bar, own), (other_bar, other)] {
        if !raise(redis, bar_key, bar, args.at(4), retention)? {
            return Ok(wrong_type(bar_key));
        }
    }
    if writes {
        return Ok(abstains.unwrap_or(Reply::OK));
    }
    if !redis.set_nx(key, args.at(0), Some(ttl))? {
        return Ok(wrong_type(key));
    }
    redis.del(readers)?;
    Ok(abstains.unwrap_or(Reply::Status("RESTORED")))
}

pub(crate) fn release(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let (key, owner, channel) = (keys.at(0), args.at(0), args.at(1));
    let removed = redis.mget(key) == Some(owner);
    if removed {
        redis.del(key)?;
    }
    leave_tombstone(redis, keys.at(1), args.at(2), args.number(3)?, removed);
    if !removed {
        return Ok(Reply::OK);
    }
    let notified = wake(redis, keys.at(2), channel, owner, key)
        + wake_all(redis, keys.at(4), channel, owner, keys.at(3));
    Ok(match notified {
        0 => Reply::OK,
        _ => Reply::Status("WOKE"),
    })
}

pub(crate) fn leave(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let (waiters, inbox, channel, by) = (keys.at(0), args.at(0), args.at(1), args.at(2));
    let since = args.number(3)?;
    // Those of a later wait stay.
    let listed = redis.zscore(waiters, inbox).ok().flatten();
    let left = match listed.is_some_and(|listed| listed > since) {
        true => Ok(0),
        false => redis.zrem(waiters, &[inbox.into()]),
    };
    let is_own = redis.mget(keys.at(1)).is_some_and(|intent| {
        is_of(intent, inbox) && began(intent).is_none_or(|began| began <= since as f64)
    });
    // As a `pcall`.
    if is_own && redis.del(keys.at(1)) == Ok(true) {
        wake_all(redis, keys.at(2), channel, SECOND.as_bytes(), keys.at(4));
    }
    // If the server refuses writes, the inbox is still listed. Nobody is notified then: it could be the inbox itself, which
    // would leave again and again.
    if !by.is_empty() && left.is_ok() {
        wake(redis, waiters, channel, by, keys.at(3));
    }
    Ok(Reply::OK)
}
