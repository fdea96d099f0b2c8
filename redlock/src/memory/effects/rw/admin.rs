//! `admin/inspect.lua` and `admin/force_release.lua`: what operators see of a read/write lock, and how they take it away.

use super::super::waitlist::COUNTED;
use super::{
    Args, Owner, Raised, Redis, Reply, leave_tombstone, read_for, short_fence, short_owner, text,
    wake, wake_all,
};
use crate::command::HolderState;

/// How many readers are listed.
const LISTED: usize = 1_000;

pub(crate) fn inspect(redis: &mut Redis<'_>, keys: Args<'_>, _: Args<'_>) -> Result<Reply, Raised> {
    let (key, readers) = (keys.at(0), keys.at(3));
    let bar = short_fence(redis.mget(keys.at(1)));
    let waiting = [keys.at(2), keys.at(4)].map(|waiters| {
        // As a `pcall`.
        redis.zrange(waiters, COUNTED).unwrap_or_default().len()
    });
    let waiting = waiting.into_iter().sum::<usize>();
    let mut parts = vec![Reply::bulk("HOLDERS"), int(waiting)];
    let mut add = |side: u32, owner: &[u8], left: i64| {
        parts.push(Reply::Int(side.into()));
        parts.push(Reply::Bulk(short_owner(Some(owner))));
        parts.push(Reply::Int(left));
        parts.push(Reply::Bulk(bar.clone()));
    };
    if let Some(writer) = redis.mget(key) {
        add(HolderState::WRITER, writer, redis.pttl(key));
    }
    if let Some(only) = redis.mget(readers) {
        add(HolderState::READER, only, redis.pttl(readers));
        return Ok(Reply::Array(parts));
    }
    let now = redis.time();
    for (expires, owner) in redis.zrange_last(readers, LISTED)? {
        if expires > now {
            let left = i64::try_from(expires - now).unwrap_or(i64::MAX);
            add(HolderState::READER, &owner, left);
        }
    }
    Ok(Reply::Array(parts))
}

fn int(number: usize) -> Reply {
    Reply::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(crate) fn force_release(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let (key, readers) = (keys.at(0), keys.at(3));
    let (retention, channel, by) = (args.number(0)?, args.at(1), args.at(2));
    let (writer, only) = (text(redis, key), text(redis, readers));
    let is_writer = |owner: &[u8]| {
        let is =
            |writer: &[u8]| writer == owner || owner.is_empty() && writer.len() > Owner::MAX_LEN;
        writer.as_deref().is_some_and(is)
    };
    let (mut wrote, mut read) = (false, false);
    for owner in args.from(5) {
        if is_writer(owner) {
            wrote |= redis.del(key)?;
        } else if let Some(only) = &only {
            if only == *owner {
                read |= redis.del(readers)?;
            }
        } else if redis.zscore(readers, owner)?.is_some() {
            read |= redis.zrem(readers, &[(*owner).into()])? == 1;
        }
    }
    for (bar, tombstone) in [(keys.at(1), args.at(3)), (keys.at(4), args.at(4))] {
        if !tombstone.is_empty() {
            leave_tombstone(redis, bar, tombstone, retention, false);
        }
    }
    if wrote || read && read_for(redis, readers)? == 0 {
        wake(redis, keys.at(2), channel, by, key);
    }
    if wrote {
        wake_all(redis, keys.at(5), channel, by, readers);
    }
    Ok(Reply::OK)
}
