//! `preempt.lua`: announces a request for a lock whose newest request wins.

use super::{
    Args, Raised, Redis, Reply,
    guard::{NoVote, no_vote},
    short_number,
};

/// How many digits a number in a notification has.
const DIGITS: usize = 26;

pub(super) fn preempt(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let (key, since, inbox) = (keys.at(0), args.at(0), args.at(1));
    let (channel, lock) = (args.at(3), args.at(4));
    let abstains = match keys.get(1) {
        Some(marker) => no_vote(redis, marker, keys.at(2), args.at(5), args.number(6)?)?,
        None => None,
    };
    let abstains = match abstains {
        Some(NoVote::Refused(reply)) => return Ok(reply),
        Some(NoVote::Quarantined(reply)) => Some(reply),
        None => None,
    };
    let was = redis.mget(key).map(<[u8]>::to_vec);
    let own = [since, b" ", inbox].concat();
    let before = was.as_deref().and_then(request);
    if let Some((newest, _)) = before
        && was.as_deref() != Some(&own)
        && short_number(newest) >= Some(args.number(0)?)
    {
        return Ok(Reply::Array(vec![
            Reply::bulk("STALE"),
            Reply::bulk(newest),
        ]));
    }
    redis.set(key, &own, Some(args.number(2)?))?;
    if let Some((_, other)) = before
        && other != inbox
    {
        let zeros = vec![b'0'; DIGITS.saturating_sub(since.len())];
        let message = [b"newer:", &zeros[..], since, lock].concat();
        redis.publish(&[channel, other].concat(), &message);
    }
    Ok(abstains.unwrap_or(Reply::OK))
}

/// The number of a request and its inbox. In Lua: `^(%d+) (.*)$`, with a number that is short enough.
fn request(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    let (newest, inbox) = (&value[..space], &value[space + 1..]);
    short_number(newest)?;
    Some((newest, inbox))
}
