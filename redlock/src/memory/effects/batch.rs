//! `begin.lua` and `run.lua`: several commands for different locks in one call, each with its own
//! effect.

use super::{
    Args, Raised, Redis, Reply, acquire, extend,
    guard::{NoVote, no_vote},
    release::release,
};

/// The arguments and the vote that all commands of a batch share.
struct Common<'a> {
    retention: &'a [u8],
    channel: &'a [u8],
    /// The outcome of the strict restart guard, which is evaluated once.
    abstains: Result<Option<NoVote>, Raised>,
}

pub(super) fn batch(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    run(redis, keys, args, Ok(None), 3)
}

pub(super) fn batch_strict(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let last = keys.0.len().saturating_sub(2);
    let needs_trust = args.at(0).iter().any(|letter| b"awe".contains(letter));
    let abstains = match needs_trust {
        true => args
            .number(4)
            .and_then(|guard| no_vote(redis, keys.at(last), keys.at(last + 1), args.at(3), guard)),
        false => Ok(None),
    };
    run(redis, keys, args, abstains, 5)
}

/// `run.lua`. The arguments of the commands begin at `first`.
fn run(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
    abstains: Result<Option<NoVote>, Raised>,
    first: usize,
) -> Result<Reply, Raised> {
    let common = Common {
        retention: args.at(1),
        channel: args.at(2),
        abstains,
    };
    let letters = args.at(0);
    let has_fence = |letter: &&u8| b"awer".contains(letter);
    let mut fences = keys.from(letters.len()).iter();
    let fenced = letters.iter().filter(has_fence).count();
    let mut waitlists = keys.from(letters.len() + fenced).iter();
    let mut args = args.from(first).iter();
    let replies = letters.iter().enumerate().map(|(place, letter)| {
        let lock = keys.at(place);
        let mut fence = || fences.next().copied().unwrap_or_default();
        let mut waitlist = || waitlists.next().copied().unwrap_or_default();
        let mut arg = || args.next().copied().unwrap_or_default();
        let done = match letter {
            b'a' => {
                let token = [arg(), arg(), arg()];
                let words = [token[0], token[1], token[2], token[2], b"", b"0"];
                common.acquire(redis, [lock, fence(), b""], words)
            }
            b'w' => {
                let words = [arg(), arg(), arg(), arg(), arg(), arg()];
                common.acquire(redis, [lock, fence(), waitlist()], words)
            }
            b'e' => common.extend(redis, [lock, fence()], [arg(), arg(), arg(), arg()]),
            b'x' => extend::step(redis, None, Args(&[lock]), Args(&[arg(), arg()])),
            b'r' => {
                let fence = fence();
                let (keys, words) = ([lock, waitlist(), fence], [arg(), common.channel, arg()]);
                let words = [words[0], words[1], words[2], common.retention];
                release(redis, Args(&keys), Args(&words))
            }
            _ => {
                let words = [arg(), common.channel];
                release(redis, Args(&[lock, waitlist()]), Args(&words))
            }
        };
        done.unwrap_or_else(|Raised(text)| Reply::Error(text.to_owned()))
    });
    Ok(Reply::Array(replies.collect()))
}

impl Common<'_> {
    /// The arguments are owner, ttl, token, last token, inbox, and since when it waits.
    fn acquire(
        &self,
        redis: &mut Redis<'_>,
        keys: [&[u8]; 3],
        [owner, ttl, token, last, inbox, since]: [&[u8]; 6],
    ) -> Result<Reply, Raised> {
        let words = [owner, ttl, token, self.retention, last, inbox, since];
        acquire::step(redis, self.abstains.clone()?, Args(&keys), Args(&words))
    }

    /// The arguments are owner, ttl, token and last token.
    fn extend(
        &self,
        redis: &mut Redis<'_>,
        keys: [&[u8]; 2],
        [owner, ttl, token, last]: [&[u8]; 4],
    ) -> Result<Reply, Raised> {
        let words = [owner, ttl, token, self.retention, last];
        extend::step(redis, self.abstains.clone()?, Args(&keys), Args(&words))
    }
}
