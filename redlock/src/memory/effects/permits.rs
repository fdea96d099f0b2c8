//! `look.lua`: which permits of a semaphore are free.

use super::{Args, Raised, Redis, Reply};

/// Maximum length of a different number of permits in a reply, in bytes.
const SHOWN: usize = 16;

pub(super) fn look(redis: &mut Redis<'_>, keys: Args<'_>, args: Args<'_>) -> Result<Reply, Raised> {
    let (key, permits, kept) = (keys.at(0), args.at(0), args.number(1)?);
    match redis.mget(key) {
        Some(other) if other != permits => {
            let shown = Reply::bulk(&other[..other.len().min(SHOWN)]);
            return Ok(Reply::Array(vec![Reply::bulk("PERMITS"), shown]));
        }
        // The script ignores errors (`pcall`).
        Some(_) => drop(redis.pexpire(key, kept)),
        None => drop(redis.set_nx(key, permits, Some(kept))),
    }
    let is_free = |permit: &&[u8]| {
        if redis.mget(permit).is_some() {
            b'0'
        } else {
            b'1'
        }
    };
    let free: Vec<u8> = keys.from(1).iter().map(is_free).collect();
    Ok(Reply::Array(vec![Reply::bulk("FREE"), Reply::Bulk(free)]))
}
