//! The value under a lock's key: who holds it.

use std::{
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use crate::env::random::unique;

/// The value under a lock's key. Unique to every attempt, so that nobody mistakes another's key for its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner([u8; Owner::LEN]);

impl Owner {
    /// Length in hexadecimal digits.
    pub(crate) const LEN: usize = 32;
    /// Maximum length of a value that can be an owner's, of this or another library. Scripts replace longer ones by an
    /// empty one.
    pub(crate) const MAX_LEN: usize = 64;
    /// Prefix of the value of a cool-down. Clients that do not know it see a key that somebody holds.
    const COOL_DOWN: &[u8] = b"cool-down:";
    /// Suffix of the value of a holder that notifies waiters of its release, as other libraries do not.
    const NOTIFIES: &[u8] = b"2ed1";

    /// A new owner. `None` where the operating system has no random numbers to give.
    pub(crate) fn fresh() -> Option<Self> {
        unique().map(Self::of)
    }

    pub(crate) fn of(bytes: [u8; Self::LEN / 2]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; Self::LEN];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        hex[Self::LEN - Self::NOTIFIES.len()..].copy_from_slice(Self::NOTIFIES);
        Self(hex)
    }

    /// Whether the holder with this value notifies waiters of its release.
    pub(crate) fn notifies(value: &[u8]) -> bool {
        value.len() == Self::LEN && value.ends_with(Self::NOTIFIES)
    }

    /// The value of the cool-down that this holder leaves behind. It is derived from the holder's value, so it is as
    /// unique: nobody extends or releases it, and a cool-down that is delivered twice writes the same value.
    pub(crate) fn cool_down(self) -> Self {
        let Self(mut value) = self;
        value[..Self::COOL_DOWN.len()].copy_from_slice(Self::COOL_DOWN);
        Self(value)
    }

    /// Whether a key with this value is cooling down.
    pub(crate) fn is_cool_down(value: &[u8]) -> bool {
        value.len() == Self::LEN && value.starts_with(Self::COOL_DOWN)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        // Hexadecimal digits and the prefix are always UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A number that tells the values of other holders apart. 0 stands for an unknown holder.
pub(crate) fn fingerprint(owner: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    owner.hash(&mut hasher);
    hasher.finish().max(1)
}
