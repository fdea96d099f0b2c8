//! The effects of the scripts of a read/write lock, and what they share: `bars.lua` and `notify_all.lua`.

pub(super) mod admin;
pub(super) mod read;
pub(super) mod write;

use super::{
    Args, Raised, Redis, Reply,
    acquire::{bad_fence, short_fence, short_owner, wrong_type},
    guard::{NoVote, no_vote},
    lua_number,
    put::leave_tombstone,
    short_number,
    waitlist::wake,
};
use crate::command::{Owner, TOKEN_LIMIT};

/// How many inboxes are read at a time.
const AT_A_TIME: usize = 128;

/// The reply of a node that has no vote, or the one with which it refuses.
fn abstains(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
    (key, arg): (usize, usize),
) -> Result<Result<Option<Reply>, Reply>, Raised> {
    let Some(marker) = keys.get(key) else {
        return Ok(Ok(None));
    };
    let quarantine = keys.at(key + 1);
    Ok(
        match no_vote(
            redis,
            marker,
            quarantine,
            args.at(arg),
            args.number(arg + 1)?,
        )? {
            Some(NoVote::Refused(reply)) => Err(reply),
            Some(NoVote::Quarantined(reply)) => Ok(Some(reply)),
            None => Ok(None),
        },
    )
}

fn text(redis: &Redis<'_>, key: &[u8]) -> Option<Vec<u8>> {
    redis.mget(key).map(<[u8]>::to_vec)
}

/// A bar, or the reply if the key holds something else.
fn bar(redis: &Redis<'_>, key: &[u8]) -> Result<Option<u64>, Reply> {
    let Some(bar) = redis.mget(key) else {
        return Ok(None);
    };
    let number = short_number(bar).filter(|number| *number < TOKEN_LIMIT);
    number.map(Some).ok_or_else(|| bad_fence(bar))
}

/// The bars of the own side and of the other one, or the reply for the first that holds something else.
fn bars(redis: &Redis<'_>, own: &[u8], other: &[u8]) -> Result<(Option<u64>, Option<u64>), Reply> {
    Ok((bar(redis, own)?, bar(redis, other)?))
}

fn stale(redis: &Redis<'_>, bar: &[u8]) -> Reply {
    let shown = Reply::Bulk(text(redis, bar).unwrap_or_default());
    Reply::Array(vec![Reply::bulk("STALE"), shown])
}

/// Raises a bar to `token`. Returns whether it could.
fn raise(
    redis: &mut Redis<'_>,
    key: &[u8],
    bar: Option<u64>,
    token: &[u8],
    retention: u64,
) -> Result<bool, Raised> {
    let number = short_number(token).unwrap_or(0);
    match bar {
        None => redis.set_nx(key, token, Some(retention)),
        Some(bar) if bar < number => redis.set(key, token, Some(retention)).map(|()| true),
        Some(_) => redis.pexpire(key, retention).map(|_| true),
    }
}

/// Adds a reader, or changes for how long it holds the lock: one reader is a string, and several are a sorted set. Returns
/// false if the string is another program's.
fn add_reader(
    redis: &mut Redis<'_>,
    readers: &[u8],
    owner: &[u8],
    ttl: u64,
) -> Result<bool, Raised> {
    let only = text(redis, readers);
    if only.as_deref() == Some(owner) {
        return redis.set(readers, owner, Some(ttl)).map(|()| true);
    }
    if only.is_none() && redis.set_nx(readers, owner, Some(ttl))? {
        return Ok(true);
    }
    let (now, left) = (redis.time(), redis.pttl(readers));
    let left = u64::try_from(left).ok();
    if let Some(only) = &only {
        let Some(left) = left.filter(|_| only.len() <= Owner::MAX_LEN) else {
            return Ok(false);
        };
        redis.del(readers)?;
        redis.zadd(readers, now.saturating_add(left), only)?;
    }
    redis.zadd(readers, now.saturating_add(ttl), owner)?;
    if only.is_some() || left.is_none_or(|left| left < ttl) {
        redis.pexpire(readers, left.unwrap_or(0).max(ttl))?;
    }
    redis.zrem_up_to(readers, now)?;
    Ok(true)
}

/// For how many milliseconds readers hold the lock. -1 if the string has no expiry: it is another program's.
fn read_for(redis: &Redis<'_>, readers: &[u8]) -> Result<i64, Raised> {
    if redis.mget(readers).is_some() {
        return Ok(redis.pttl(readers));
    }
    let last = redis.zlast(readers)?.unwrap_or(0);
    let left = last.saturating_sub(redis.time());
    Ok(i64::try_from(left).unwrap_or(i64::MAX))
}

/// The holder in replies that stands for all readers, or for a waiting writer.
fn somebody() -> Vec<u8> {
    Owner::of([0; Owner::LEN / 2], None).as_bytes().to_vec()
}

/// The inbox of a request: its name, and since when it waits.
#[derive(Clone, Copy)]
struct Waits<'a> {
    waiters: &'a [u8],
    inbox: &'a [u8],
    since: u64,
}

fn held(
    redis: &mut Redis<'_>,
    left: i64,
    bar: &[u8],
    holder: Option<&[u8]>,
    waits: Waits<'_>,
) -> Result<Reply, Raised> {
    let mut parts = vec![
        Reply::bulk("HELD"),
        Reply::Int(left),
        Reply::Bulk(short_fence(redis.mget(bar))),
        Reply::Bulk(holder.map_or_else(somebody, |holder| short_owner(Some(holder)))),
    ];
    if !waits.inbox.is_empty() {
        if redis.zadd(waits.waiters, waits.since, waits.inbox).is_err() {
            parts.push(Reply::Int(0));
            return Ok(Reply::Array(parts));
        }
        let until = left.saturating_add(10_000);
        if redis.pttl(waits.waiters) < until {
            let _ = redis.pexpire(waits.waiters, u64::try_from(until).unwrap_or(0));
        }
    }
    Ok(Reply::Array(parts))
}

/// Notifies all inboxes of a waitlist and removes them. Returns how many have a subscriber.
pub(super) fn wake_all(
    redis: &mut Redis<'_>,
    waiters: &[u8],
    channel: &[u8],
    owner: &[u8],
    lock: &[u8],
) -> usize {
    let mut notified = 0;
    loop {
        let inboxes = redis.zrange(waiters, AT_A_TIME).unwrap_or_default();
        if inboxes.is_empty() {
            return notified;
        }
        let by = &owner[..owner.len().min(Owner::LEN)];
        for inbox in &inboxes {
            let channel = [channel, inbox].concat();
            notified += usize::from(redis.publish(&channel, &[by, lock].concat()) > 0);
        }
        if redis.zrem(waiters, &inboxes) != Ok(AT_A_TIME) {
            return notified;
        }
    }
}

/// Whether `intent` is that of the inbox.
fn is_of(intent: &[u8], inbox: &[u8]) -> bool {
    let rest = intent.strip_prefix(inbox);
    rest.is_some_and(|rest| rest.starts_with(b" "))
}

/// Since when the writer with this intent waits.
fn began(intent: &[u8]) -> Option<f64> {
    let at = intent.iter().rposition(|byte| *byte == b' ')?;
    lua_number(&intent[at + 1..])
}
