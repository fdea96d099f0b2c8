//! `begin.lua` and `run.lua`: several commands for different locks in one call, each with its own effect.

use super::{Args, Raised, Redis, Reply, acquire::acquire, extend::extend, release::release};

/// What the commands of a batch have in common.
#[derive(Clone, Copy)]
struct Common<'a> {
    retention: &'a [u8],
    channel: &'a [u8],
    /// The marker's key and the quarantine's, its value and the guard time, under the strict restart guard.
    marker: Option<[&'a [u8]; 4]>,
}

pub(super) fn batch(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    run(redis, keys, args, None)
}

pub(super) fn batch_strict(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let last = keys.0.len().saturating_sub(2);
    let marker = [keys.at(last), keys.at(last + 1), args.at(3), args.at(4)];
    run(redis, keys, args, Some(marker))
}

fn run(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
    marker: Option<[&[u8]; 4]>,
) -> Result<Reply, Raised> {
    let common = Common {
        retention: args.at(1),
        channel: args.at(2),
        marker,
    };
    let letters = args.at(0);
    let has_fence = |letter: &&u8| b"awer".contains(letter);
    let mut fences = keys.from(letters.len()).iter();
    let fenced = letters.iter().filter(has_fence).count();
    let mut waitlists = keys.from(letters.len() + fenced).iter();
    let mut args = args
        .from(if common.marker.is_some() { 5 } else { 3 })
        .iter();
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
            b'e' => common.extend(redis, [lock, fence()], [arg(), arg(), arg()]),
            b'x' => extend(redis, Args(&[lock]), Args(&[arg(), arg()])),
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
    /// Owner, ttl, token, last token, inbox, and since when it waits.
    fn acquire(
        self,
        redis: &mut Redis<'_>,
        keys: [&[u8]; 3],
        [owner, ttl, token, last, inbox, since]: [&[u8]; 6],
    ) -> Result<Reply, Raised> {
        let [lock, fence, waitlist] = keys;
        let words = [owner, ttl, token, self.retention, last, inbox, since];
        match self.marker {
            None => acquire(redis, Args(&keys), Args(&words)),
            Some([marker, quarantine, value, guard]) => acquire(
                redis,
                Args(&[lock, fence, waitlist, marker, quarantine]),
                Args(&[words.as_slice(), &[value, guard]].concat()),
            ),
        }
    }

    /// Owner, ttl and token.
    fn extend(
        self,
        redis: &mut Redis<'_>,
        keys: [&[u8]; 2],
        [owner, ttl, token]: [&[u8]; 3],
    ) -> Result<Reply, Raised> {
        let [lock, fence] = keys;
        let words = [owner, ttl, token, self.retention];
        match self.marker {
            None => extend(redis, Args(&keys), Args(&words)),
            Some([marker, quarantine, value, guard]) => extend(
                redis,
                Args(&[lock, fence, marker, quarantine]),
                Args(&[words.as_slice(), &[value, guard]].concat()),
            ),
        }
    }
}
