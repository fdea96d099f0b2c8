//! Commands on single keys: a plain lock, and those of tests.

use super::{
    Reply, Server, Wakers,
    commands::{error, is},
};
use crate::memory::effects::{Raised, Redis, number};

impl Server {
    /// Carries out a command on the data. `None` if there is no such command.
    pub(super) fn data_command(
        &mut self,
        name: &str,
        words: &[&[u8]],
        wakers: &mut Wakers,
    ) -> Option<Reply> {
        let redis = &mut self.redis(wakers);
        let done = match (name, words) {
            ("SET", [_, key, value, options @ ..]) => set(redis, key, value, options),
            ("GET", [_, key]) => redis
                .get(key)
                .map(|value| value.map_or(Reply::Nil, Reply::bulk)),
            ("DEL", [_, key]) => redis.del(key).map(int),
            ("EXISTS", [_, key]) => Ok(int(redis.exists(key))),
            ("PTTL", [_, key]) => Ok(Reply::Int(redis.pttl(key))),
            ("PEXPIRE", [_, key, ms]) => match number(ms) {
                Some(ms) => redis.pexpire(key, ms).map(int),
                None => Err(Raised::NO_INTEGER),
            },
            ("PUBLISH", [_, channel, message]) => {
                let receivers = redis.publish(channel, message);
                Ok(Reply::Int(i64::try_from(receivers).unwrap_or(i64::MAX)))
            }
            _ => return None,
        };
        Some(done.unwrap_or_else(|Raised(text)| error(text)))
    }
}

fn int(yes: bool) -> Reply {
    Reply::Int(i64::from(yes))
}

/// `SET key value [NX] [PX ms]`.
fn set(
    redis: &mut Redis<'_>,
    key: &[u8],
    value: &[u8],
    options: &[&[u8]],
) -> Result<Reply, Raised> {
    let (mut nx, mut ms) = (false, None);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        if is(option, "NX") {
            nx = true;
        } else if is(option, "PX") {
            let given = options.next().and_then(|ms| number(ms));
            ms = Some(given.ok_or(Raised::NO_INTEGER)?);
        } else {
            return Err(Raised::SYNTAX);
        }
    }
    let is_set = match nx {
        true => redis.set_nx(key, value, ms)?,
        false => redis.set(key, value, ms).map(|()| true)?,
    };
    Ok(if is_set { Reply::OK } else { Reply::Nil })
}
