//! `record.lua`: the record of a register, one string.

use super::super::{Raised, Redis, lua_number};

/// Maximum length of a record in bytes: the numbers and the largest value.
const LONGEST: usize = 64 * 1024 + 100;

/// The parts of a record. Numbers stay in the text form in which they were written.
pub(super) struct Record {
    pub(super) promise: Vec<u8>,
    pub(super) token: Vec<u8>,
    pub(super) seq: Vec<u8>,
    pub(super) expires: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

impl Record {
    /// Returns `None` if the text is not a record. In Lua: `^(%d+) (%d+) (%d+) (%d+) ([+-])()`.
    pub(super) fn of(text: Option<&[u8]>) -> Option<Self> {
        if text.is_some_and(|text| text.len() > LONGEST) {
            return None;
        }
        let mut parts = text.unwrap_or(b"0 0 0 0 -").splitn(5, |byte| *byte == b' ');
        let mut number = || {
            let digits = parts.next().filter(|part| lua_number(part).is_some());
            digits.map(<[u8]>::to_vec)
        };
        Some(Self {
            promise: number()?,
            token: number()?,
            seq: number()?,
            expires: number()?,
            value: match parts.next()?.split_first()? {
                (b'+', value) => Some(value.to_vec()),
                (b'-', _) => None,
                _ => return None,
            },
        })
    }

    /// Writes the record and keeps it for at least this many milliseconds.
    pub(super) fn save(&self, redis: &mut Redis<'_>, key: &[u8], ms: u64) -> Result<(), Raised> {
        let numbers = [&self.promise, &self.token, &self.seq, &self.expires];
        let mut text = numbers.map(|number| &number[..]).join(&b' ');
        match &self.value {
            Some(value) => text.extend([b" +", &value[..]].concat()),
            None => text.extend(b" -"),
        }
        let left = u64::try_from(redis.pttl(key)).unwrap_or(0);
        redis.set(key, &text, Some(left.max(ms)))
    }
}
