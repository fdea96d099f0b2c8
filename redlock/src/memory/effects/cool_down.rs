//! `cool_down.lua`: ends a hold but keeps the key busy for a window, its cool-down.

use super::{
    Args, Raised, Redis, Reply,
    guard::{NoVote, no_vote},
    put::{leave_tombstone, put},
};

/// How many waiters are notified at a time.
const AT_A_TIME: usize = 128;

pub(super) fn cool_down(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let (key, waiters) = (keys.at(0), keys.at(1));
    let (owner, next, window, channel) = (args.at(0), args.at(1), args.number(2)?, args.at(3));
    let abstains = match keys.get(3) {
        Some(marker) => no_vote(redis, marker, keys.at(4), args.at(6), args.number(7)?)?,
        None => None,
    };
    let abstains = abstains.map(NoVote::into_reply);
    let holder = redis.mget(key);
    let (held, is_cooling_down) = (holder == Some(owner), holder == Some(next));
    if held {
        put(redis, key, next, window)?;
    }
    if let Some(fence_key) = keys.get(2) {
        leave_tombstone(redis, fence_key, args.at(4), args.number(5)?);
    }
    if held {
        notify_all(redis, waiters, channel, &[next, key].concat());
    }
    let done = if held || is_cooling_down {
        "OK"
    } else {
        "GONE"
    };
    Ok(abstains.unwrap_or(Reply::Status(done)))
}

/// Notifies all waiters and removes them: none can have the lock before the window is over.
fn notify_all(redis: &mut Redis<'_>, waiters: &[u8], channel: &[u8], message: &[u8]) {
    while let Ok(inboxes) = redis.zrange(waiters, AT_A_TIME)
        && !inboxes.is_empty()
    {
        for inbox in &inboxes {
            redis.publish(&[channel, inbox].concat(), message);
        }
        if redis.zrem(waiters, &inboxes) != Ok(AT_A_TIME) {
            break;
        }
    }
}
