//! `guard.lua`, `ping.lua` and `trust.lua`: the marker of the strict restart guard.

use super::{Args, Raised, Redis, Reply, lua_number};

/// Why a yes does not count.
#[derive(Clone)]
pub(super) enum NoVote {
    /// The command is carried out nevertheless.
    Quarantined(Reply),
    /// The command is not carried out, unless it ends a hold.
    Refused(Reply),
}

impl NoVote {
    pub(super) fn into_reply(self) -> Reply {
        match self {
            Self::Quarantined(reply) | Self::Refused(reply) => reply,
        }
    }
}

/// The parts of a marker: the run id, the `max_ttl`, and the epoch of the election, below 0 if
/// there was none. In Lua: `^(%S+) (%d+) ?(%d*)$`.
fn parts(marker: &[u8]) -> Option<(&[u8], &[u8], f64)> {
    let mut parts = marker.split(|byte| *byte == b' ');
    let (process, ttl, epoch) = (parts.next()?, parts.next()?, parts.next().unwrap_or(b""));
    let is_marker = !process.is_empty()
        && !process.iter().any(u8::is_ascii_whitespace)
        && lua_number(ttl).is_some()
        && (epoch.is_empty() || lua_number(epoch).is_some())
        && parts.next().is_none();
    let epoch = lua_number(epoch).unwrap_or(-1.0);
    is_marker.then_some((process, ttl, epoch))
}

pub(super) fn no_vote(
    redis: &mut Redis<'_>,
    marker_key: &[u8],
    quarantine_key: &[u8],
    marker: &[u8],
    guard: u64,
) -> Result<Option<NoVote>, Raised> {
    let was = redis.get(marker_key)?.map(<[u8]>::to_vec);
    if was.as_deref() != Some(marker) {
        let shown = || {
            let was = was.as_deref().unwrap_or_default();
            Reply::bulk(&was[..was.len().min(64)])
        };
        let refused = |word| {
            let reply = Reply::Array(vec![Reply::bulk(word), shown()]);
            Ok(Some(NoVote::Refused(reply)))
        };
        let own = parts(marker);
        if let (Some(was), Some(own)) = (was.as_deref().and_then(parts), own)
            && was.0 == own.0
        {
            if was.1 != own.1 {
                return refused("MAXTTL");
            }
            if was.2 > own.2 {
                return refused("EPOCH");
            }
        }
        let process = own.map_or(marker, |(process, ..)| process);
        redis.set(quarantine_key, process, Some(guard))?;
        redis.set(marker_key, marker, None)?;
    }
    let left = redis.pttl(quarantine_key);
    if left <= 0 {
        return Ok(None);
    }
    let reply = Reply::Array(vec![Reply::bulk("QUARANTINED"), Reply::Int(left)]);
    Ok(Some(NoVote::Quarantined(reply)))
}

pub(super) fn ping(redis: &mut Redis<'_>, keys: Args<'_>, args: Args<'_>) -> Result<Reply, Raised> {
    let no_vote = no_vote(redis, keys.at(0), keys.at(1), args.at(0), args.number(1)?)?;
    Ok(no_vote.map_or(Reply::OK, NoVote::into_reply))
}

pub(super) fn trust(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    redis.set(keys.at(0), args.at(0), None)?;
    redis.del(keys.at(1))?;
    Ok(Reply::OK)
}
