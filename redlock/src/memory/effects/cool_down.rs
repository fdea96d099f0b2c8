//! `cool_down.lua`: ends a hold but keeps the key busy for a window, its cool-down.

use super::{
    Args, Raised, Redis, Reply,
    guard::{NoVote, no_vote},
    put::{leave_tombstone, put},
    rw::wake_all,
    waitlist::wake,
};

pub(super) fn cool_down(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let (key, owner, next) = (keys.at(0), args.at(0), args.at(1));
    let window = args.number(2)?;
    let abstains = match keys.get(5) {
        Some(marker) => no_vote(redis, marker, keys.at(6), args.at(6), args.number(7)?)?,
        None => None,
    };
    let abstains = abstains.map(NoVote::into_reply);
    let holder = redis.mget(key);
    let (held, is_cooling_down) = (holder == Some(owner), holder == Some(next));
    let is_over = window == 0;
    if is_over {
        if held || is_cooling_down {
            redis.del(key)?;
        }
    } else if held {
        put(redis, key, next, window)?;
    } else if is_cooling_down && redis.pttl(key) > i64::try_from(window).unwrap_or(i64::MAX) {
        redis.pexpire(key, window)?;
    }
    if let Some(fence_key) = keys.get(4) {
        leave_tombstone(redis, fence_key, args.at(4), args.number(5)?, false);
    }
    if !held && !is_cooling_down {
        return Ok(abstains.unwrap_or(Reply::Status("GONE")));
    }
    let notified = match is_over {
        true => notify_of_release(redis, keys, args.at(3), owner),
        false if held => notify_of_window(redis, keys, args.at(3), next),
        false => 0,
    };
    let done = if notified > 0 { "WOKE" } else { "OK" };
    Ok(abstains.unwrap_or(Reply::Status(done)))
}

/// The lock and the waitlist of the readers, if the holder is a writer.
fn readers<'a>(keys: Args<'a>) -> Option<(&'a [u8], &'a [u8])> {
    (keys.at(2) != keys.at(0)).then(|| (keys.at(2), keys.at(3)))
}

/// Returns how many processes were notified.
fn notify_of_release(redis: &mut Redis<'_>, keys: Args<'_>, channel: &[u8], owner: &[u8]) -> usize {
    let notified = wake(redis, keys.at(1), channel, owner, keys.at(0));
    let of_readers =
        readers(keys).map(|(lock, waiters)| wake_all(redis, waiters, channel, owner, lock));
    notified + of_readers.unwrap_or(0)
}

/// Notifies all waiters and removes them: none can have the lock before the window is over. They are not counted.
fn notify_of_window(redis: &mut Redis<'_>, keys: Args<'_>, channel: &[u8], next: &[u8]) -> usize {
    wake_all(redis, keys.at(1), channel, next, keys.at(0));
    if let Some((lock, waiters)) = readers(keys) {
        wake_all(redis, waiters, channel, next, lock);
    }
    0
}
