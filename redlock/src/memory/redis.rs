//! The commands that a script calls by `redis.call`, on the data of a node in memory.

use std::time::Duration;

use crate::memory::{
    server::{Channels, Condition},
    store::{Bytes, Store, Value},
};

/// Maximum number of digits that a Lua number represents exactly.
const DIGITS: usize = 16;

/// One script run.
#[derive(Debug)]
pub(crate) struct Redis<'a> {
    store: &'a mut Store,
    channels: Channels<'a>,
    condition: Condition,
    is_replica: bool,
    /// A write was carried out. Later writes of the script are not refused, so that no script stops
    /// halfway.
    wrote: bool,
    /// Microseconds since the epoch.
    time: u64,
}

/// An error that a command raised: its code and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raised(pub(crate) &'static str);

impl Raised {
    pub(crate) const OOM: Self = Self("OOM command not allowed when used memory > 'maxmemory'.");
    pub(crate) const READ_ONLY: Self =
        Self("READONLY You can't write against a read only replica.");
    pub(crate) const CANNOT_SAVE: Self = Self(
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    );
    pub(crate) const WRONG_TYPE: Self =
        Self("WRONGTYPE Operation against a key holding the wrong kind of value");
    pub(crate) const SYNTAX: Self = Self("ERR syntax error");
    pub(crate) const NO_INTEGER: Self = Self("ERR value is not an integer or out of range");
    const NO_TTL: Self = Self("ERR invalid expire time in 'set' command");
}

/// The keys or the arguments of a script, from 0. A missing one is empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Args<'a>(pub(crate) &'a [&'a [u8]]);

impl<'a> Args<'a> {
    pub(crate) fn get(self, place: usize) -> Option<&'a [u8]> {
        self.0.get(place).copied()
    }

    pub(crate) fn at(self, place: usize) -> &'a [u8] {
        self.get(place).unwrap_or_default()
    }

    pub(crate) fn number(self, place: usize) -> Result<u64, Raised> {
        number(self.at(place)).ok_or(Raised::NO_INTEGER)
    }

    pub(crate) fn from(self, place: usize) -> &'a [&'a [u8]] {
        self.0.get(place..).unwrap_or_default()
    }
}

/// A number that consists of digits only, as scripts read fences.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= 20 && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    text.parse().ok()
}

/// A number of any length, rounded to a Lua number.
pub(crate) fn lua_number(text: &[u8]) -> Option<f64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    text.parse().ok()
}

/// A [`number`] with at most 16 digits: scripts ignore longer ones.
pub(crate) fn short_number(text: &[u8]) -> Option<u64> {
    number(text).filter(|_| text.len() <= DIGITS)
}

/// A number as `INCR` reads it: not negative here, without a sign or leading zeros.
fn plain_number(text: &[u8]) -> Option<i64> {
    let is_plain = text == b"0" || !text.starts_with(b"0");
    number(text)
        .filter(|_| is_plain)
        .and_then(|number| number.try_into().ok())
}

impl<'a> Redis<'a> {
    pub(crate) fn new(
        store: &'a mut Store,
        channels: Channels<'a>,
        condition: Condition,
        is_replica: bool,
        time: u64,
    ) -> Self {
        Self {
            store,
            channels,
            condition,
            is_replica,
            wrote: false,
            time,
        }
    }

    /// Checks whether the node accepts a write. Called before each command that writes.
    pub(crate) fn writes(&mut self, takes_memory: bool) -> Result<(), Raised> {
        if self.wrote {
            return Ok(());
        }
        if self.is_replica {
            return Err(Raised::READ_ONLY);
        }
        if takes_memory && self.condition.full {
            return Err(Raised::OOM);
        }
        if self.condition.cannot_save {
            return Err(Raised::CANNOT_SAVE);
        }
        self.wrote = true;
        Ok(())
    }

    /// `MGET` of one key: another type reads as missing.
    pub(crate) fn mget(&self, key: &[u8]) -> Option<&[u8]> {
        self.store.text(key)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, Raised> {
        match self.store.value(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Sorted(_) | Value::Hash) => Err(Raised::WRONG_TYPE),
        }
    }

    pub(crate) fn exists(&self, key: &[u8]) -> bool {
        self.store.value(key).is_some()
    }

    /// The remaining ttl in milliseconds. -1 if the key does not expire, -2 if it is missing.
    pub(crate) fn pttl(&self, key: &[u8]) -> i64 {
        match self.store.left(key) {
            None => -2,
            Some(None) => -1,
            Some(Some(left)) => {
                let left = left.saturating_sub(Duration::from_nanos(1));
                i64::try_from(left.as_millis()).unwrap_or(i64::MAX)
            }
        }
    }

    /// `SET key value`, with `PX ms` if it is given.
    pub(crate) fn set(&mut self, key: &[u8], value: &[u8], ms: Option<u64>) -> Result<(), Raised> {
        if ms == Some(0) {
            return Err(Raised::NO_TTL);
        }
        self.writes(true)?;
        let ttl = ms.map(Duration::from_millis);
        self.store.set(key, Value::Text(value.to_vec()), ttl);
        Ok(())
    }

    /// `SET key value NX`, with `PX ms` if that is given. Returns whether the key was missing.
    pub(crate) fn set_nx(
        &mut self,
        key: &[u8],
        value: &[u8],
        ms: Option<u64>,
    ) -> Result<bool, Raised> {
        if self.exists(key) {
            // The server checks whether it accepts writes before it looks at the key.
            return self.writes(true).map(|()| false);
        }
        self.set(key, value, ms).map(|()| true)
    }

    /// `SET key value XX`, with `PX ms` if that is given. Returns whether the key was there.
    pub(crate) fn set_xx(
        &mut self,
        key: &[u8],
        value: &[u8],
        ms: Option<u64>,
    ) -> Result<bool, Raised> {
        if !self.exists(key) {
            return self.writes(true).map(|()| false);
        }
        self.set(key, value, ms).map(|()| true)
    }

    /// `INCR`. The expiry stays.
    pub(crate) fn incr(&mut self, key: &[u8]) -> Result<(), Raised> {
        self.writes(true)?;
        let was = self.get(key)?.map(plain_number);
        let next = was.unwrap_or(Some(0)).and_then(|was| was.checked_add(1));
        let next = next.ok_or(Raised::NO_INTEGER)?.to_string().into_bytes();
        match self.store.text_mut(key) {
            Some(text) => *text = next,
            None => self.store.set(key, Value::Text(next), None),
        }
        Ok(())
    }

    pub(crate) fn pexpire(&mut self, key: &[u8], ms: u64) -> Result<bool, Raised> {
        self.writes(false)?;
        Ok(self.store.expire(key, Duration::from_millis(ms)))
    }

    pub(crate) fn del(&mut self, key: &[u8]) -> Result<bool, Raised> {
        self.writes(false)?;
        Ok(self.store.delete(key))
    }

    pub(crate) fn zadd(&mut self, key: &[u8], score: u64, member: &[u8]) -> Result<(), Raised> {
        self.writes(true)?;
        let members = self.store.sorted(key).ok_or(Raised::WRONG_TYPE)?;
        members.retain(|(_, other)| **other != *member);
        let entry: (u64, Bytes) = (score, member.into());
        let place = members.partition_point(|other| *other < entry);
        members.insert(place, entry);
        Ok(())
    }

    /// Removes members. Returns how many of them were there.
    pub(crate) fn zrem(&mut self, key: &[u8], gone: &[Bytes]) -> Result<usize, Raised> {
        self.writes(false)?;
        match self.store.value(key) {
            None => return Ok(0),
            Some(Value::Sorted(_)) => {}
            Some(Value::Text(_) | Value::Hash) => return Err(Raised::WRONG_TYPE),
        }
        let members = self.store.sorted(key).ok_or(Raised::WRONG_TYPE)?;
        let before = members.len();
        members.retain(|(_, member)| !gone.contains(member));
        let removed = before - members.len();
        if members.is_empty() {
            self.store.delete(key);
        }
        Ok(removed)
    }

    /// The members with the lowest scores, at most this many.
    pub(crate) fn zrange(&self, key: &[u8], most: usize) -> Result<Vec<Bytes>, Raised> {
        let first = self.members(key)?.iter().take(most);
        Ok(first.map(|(_, member)| member.clone()).collect())
    }

    /// The members with the highest scores, at most this many, and their scores.
    pub(crate) fn zrange_last(&self, key: &[u8], most: usize) -> Result<Vec<(u64, Bytes)>, Raised> {
        let members = self.members(key)?;
        Ok(members[members.len().saturating_sub(most)..].to_vec())
    }

    fn members(&self, key: &[u8]) -> Result<&[(u64, Bytes)], Raised> {
        match self.store.value(key) {
            None => Ok(&[]),
            Some(Value::Sorted(members)) => Ok(members),
            Some(Value::Text(_) | Value::Hash) => Err(Raised::WRONG_TYPE),
        }
    }

    pub(crate) fn zscore(&self, key: &[u8], member: &[u8]) -> Result<Option<u64>, Raised> {
        let mut members = self.members(key)?.iter();
        let found = members.find(|(_, other)| **other == *member);
        Ok(found.map(|(score, _)| *score))
    }

    /// The highest score.
    pub(crate) fn zlast(&self, key: &[u8]) -> Result<Option<u64>, Raised> {
        Ok(self.members(key)?.last().map(|(score, _)| *score))
    }

    /// `ZREMRANGEBYSCORE key -inf most`.
    pub(crate) fn zrem_up_to(&mut self, key: &[u8], most: u64) -> Result<(), Raised> {
        self.writes(false)?;
        let members = self.members(key)?.iter();
        let gone = members.filter(|(score, _)| *score <= most);
        let gone: Vec<Bytes> = gone.map(|(_, member)| member.clone()).collect();
        self.zrem(key, &gone).map(drop)
    }

    /// Publishes a message. Returns how many subscribers received it.
    pub(crate) fn publish(&mut self, channel: &[u8], message: &[u8]) -> usize {
        self.channels.publish(channel, message)
    }

    /// `TIME`, in milliseconds since the epoch.
    pub(crate) fn time(&self) -> u64 {
        self.time / 1_000
    }
}
