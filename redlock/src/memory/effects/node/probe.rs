//! `probe.lua`: whether the server would carry out an acquire.

use super::super::{
    Args, Raised, Redis, Reply,
    guard::{NoVote, no_vote},
};

pub(crate) fn probe(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    redis.set_xx(keys.at(0), b"", Some(1))?;
    let no_vote = match keys.get(1) {
        Some(marker) => no_vote(redis, marker, keys.at(2), args.at(1), args.number(2)?)?,
        None => None,
    };
    Ok(no_vote.map_or(Reply::OK, NoVote::into_reply))
}
