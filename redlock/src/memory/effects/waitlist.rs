//! `join.lua`, `leave.lua` and `notify.lua`: the waitlist of a lock, and notifications from it.

use super::{Args, Raised, Redis, Reply};
use crate::command::{Owner, SECOND};

/// How long a waitlist is kept after a process joined it, in milliseconds.
const KEPT: i64 = 10_000;
/// How many inboxes are read at a time.
const AT_A_TIME: usize = 16;
/// How many waiting processes an inspection counts.
pub(super) const COUNTED: usize = 1_000;
/// How many processes are notified of a release: the first to take the lock, the second to check
/// whether it did.
const NOTIFIED: usize = 2;

pub(super) fn join(redis: &mut Redis<'_>, keys: Args<'_>, args: Args<'_>) -> Result<Reply, Raised> {
    let waiters = keys.at(0);
    // The script ignores errors (`pcall`).
    let _ = redis.zadd(waiters, args.number(1)?, args.at(0));
    if redis.pttl(waiters) < KEPT {
        let _ = redis.pexpire(waiters, KEPT.unsigned_abs());
    }
    Ok(Reply::OK)
}

pub(super) fn leave(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let (waiters, by) = (keys.at(0), args.at(2));
    let left = redis.zrem(waiters, &[args.at(0).into()]);
    // If the server refuses writes, the inbox may still be the first. It would be notified, and
    // leave, again and again.
    if !by.is_empty() && left.is_ok() {
        wake(redis, waiters, args.at(1), by, args.at(3));
    }
    Ok(Reply::OK)
}

/// Notifies the first two inboxes with a subscriber that `owner` released `key`. Removes the first
/// of them, and the inboxes without a subscriber. Returns how many were notified.
pub(super) fn wake(
    redis: &mut Redis<'_>,
    waiters: &[u8],
    channel: &[u8],
    owner: &[u8],
    key: &[u8],
) -> usize {
    let mut notified = 0;
    loop {
        let Ok(inboxes) = redis.zrange(waiters, AT_A_TIME) else {
            return notified;
        };
        for inbox in &inboxes {
            let by = if notified == 0 {
                &owner[..owner.len().min(Owner::LEN)]
            } else {
                SECOND.as_bytes()
            };
            let channel = [channel, inbox].concat();
            if redis.publish(&channel, &[by, key].concat()) > 0 {
                notified += 1;
            }
            if notified == NOTIFIED || redis.zrem(waiters, std::slice::from_ref(inbox)) != Ok(1) {
                return notified;
            }
        }
        if inboxes.len() < AT_A_TIME {
            return notified;
        }
    }
}
