//! The value under a lock's key, which identifies the holder.
//!
//! 28 random hexadecimal digits, four more that mark a holder of this library, and the label of its
//! process if it has one: `<28 digits>2ed1` or `<28 digits>2ed1:api-7`. Other Redlock libraries see
//! a string that is not theirs.

use std::{
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use crate::{env::random::unique, label::Label};

/// The value under a lock's key. Unique to every attempt, so that nobody mistakes another's key for
/// its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    value: [u8; Owner::MAX_LEN],
    len: u8,
}

impl Owner {
    /// Length of the unique part, in hexadecimal digits. Notifications contain no more than this.
    pub(crate) const LEN: usize = 32;
    /// Maximum length of a value that can be an owner's, of this or another library. Scripts replace longer ones by an
    /// empty one.
    pub(crate) const MAX_LEN: usize = 64;
    /// Prefix of the value of a cool-down. Clients that do not know it see a key that somebody
    /// holds.
    const COOL_DOWN: &[u8] = b"cool-down:";
    /// Suffix of the unique part if the holder notifies waiters of its release, which other
    /// libraries do not.
    const NOTIFIES: &[u8] = b"2ed1";
    /// Separates the label.
    const SEPARATOR: u8 = b':';

    /// A new owner. `None` if the operating system provides no random numbers.
    pub(crate) fn fresh(label: Option<Label>) -> Option<Self> {
        Some(Self::of(unique()?, label))
    }

    pub(crate) fn of(bytes: [u8; Self::LEN / 2], label: Option<Label>) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut value = [0; Self::MAX_LEN];
        for (pair, byte) in value[..Self::LEN].chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        value[Self::LEN - Self::NOTIFIES.len()..Self::LEN].copy_from_slice(Self::NOTIFIES);
        let mut len = Self::LEN;
        if let Some(label) = label {
            let label = label.as_str().as_bytes();
            value[len] = Self::SEPARATOR;
            len += 1;
            value[len..len + label.len()].copy_from_slice(label);
            len += label.len();
        }
        Self::with_len(value, len)
    }

    fn with_len(value: [u8; Self::MAX_LEN], len: usize) -> Self {
        // At most 64.
        let len = u8::try_from(len).unwrap_or(u8::MAX);
        Self { value, len }
    }

    /// The owner with this value. `None` for a value that is not of this library.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let (unique, rest) = value.split_at_checked(Self::LEN)?;
        let is_labelled = rest.is_empty() || Self::label(value).is_some();
        if !is_labelled || !unique.iter().all(u8::is_ascii_hexdigit) || !Self::notifies(value) {
            return None;
        }
        let mut bytes = [0; Self::MAX_LEN];
        bytes.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self::with_len(bytes, value.len()))
    }

    /// Whether the holder with this value notifies waiters of its release.
    pub(crate) fn notifies(value: &[u8]) -> bool {
        value
            .split_at_checked(Self::LEN)
            .is_some_and(|(unique, rest)| {
                unique.ends_with(Self::NOTIFIES)
                    && (rest.is_empty() || rest.starts_with(&[Self::SEPARATOR]))
            })
    }

    /// The label in the value of a holder. `None` if it has none, or if another library wrote the
    /// value.
    pub(crate) fn label(value: &[u8]) -> Option<Label> {
        let (unique, rest) = value.split_at_checked(Self::LEN)?;
        if !unique.iter().all(u8::is_ascii_hexdigit) || !unique.ends_with(Self::NOTIFIES) {
            return None;
        }
        Label::read(rest.strip_prefix(&[Self::SEPARATOR])?)
    }

    /// The value of the cool-down that this holder leaves behind. It is derived from the holder's value, so it is as
    /// unique: nobody extends or releases it, and a cool-down that is delivered twice writes the same value.
    pub(crate) fn cool_down(self) -> Self {
        let mut value = self.value;
        value[..Self::COOL_DOWN.len()].copy_from_slice(Self::COOL_DOWN);
        Self::with_len(value, Self::LEN)
    }

    /// Whether a key with this value is cooling down.
    pub(crate) fn is_cool_down(value: &[u8]) -> bool {
        value.len() == Self::LEN && value.starts_with(Self::COOL_DOWN)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.value[..usize::from(self.len)]
    }

    pub(crate) fn as_str(&self) -> &str {
        // Hexadecimal digits, the prefix and labels are always ASCII.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An owner that is kept while its lock is held. Most have no label, and take no room for one.
pub(crate) enum KeptOwner {
    Unlabelled([u8; Owner::LEN]),
    Labelled(Box<Owner>),
}

impl KeptOwner {
    pub(crate) fn new(owner: Owner) -> Self {
        match owner.as_bytes().try_into() {
            Ok(unique) => Self::Unlabelled(unique),
            Err(_) => Self::Labelled(Box::new(owner)),
        }
    }

    pub(crate) fn get(&self) -> Owner {
        match self {
            Self::Unlabelled(unique) => {
                let mut value = [0; Owner::MAX_LEN];
                value[..Owner::LEN].copy_from_slice(unique);
                Owner::with_len(value, Owner::LEN)
            }
            Self::Labelled(owner) => **owner,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            // Always ASCII, see `Owner::as_str`.
            Self::Unlabelled(unique) => std::str::from_utf8(unique).unwrap_or_default(),
            Self::Labelled(owner) => owner.as_str(),
        }
    }
}

impl fmt::Debug for KeptOwner {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner::of(
            [
                0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255,
            ],
            None,
        )
    }

    #[test]
    fn an_owner_is_hexadecimal_and_marks_a_holder_that_notifies() {
        let value = owner();
        assert_eq!(value.as_str(), "00112233445566778899aabbccdd2ed1");
        assert!(Owner::notifies(value.as_bytes()));
        for other in [&b"00112233445566778899aabbccddeeff"[..], b"2ed1", b""] {
            assert!(!Owner::notifies(other));
        }
        assert!(!Owner::notifies(b"00112233445566778899aabbccdd2ed1x"));
        assert!(Owner::notifies(b"00112233445566778899aabbccdd2ed1:x"));
    }

    #[test]
    fn an_owner_is_kept_with_its_label_and_without() {
        let label = Label::new("worker-7").expect("a label");
        for owner in [owner(), Owner::of([9; 16], Some(label))] {
            let kept = KeptOwner::new(owner);
            assert_eq!((kept.get(), kept.as_str()), (owner, owner.as_str()));
        }
    }

    #[test]
    fn a_cool_down_does_not_count_as_a_holder() {
        let value = owner().cool_down();
        assert!(Owner::is_cool_down(value.as_bytes()));
        assert!(!Owner::is_cool_down(owner().as_bytes()));
        assert!(!Owner::is_cool_down(b"cool-down:"));
        assert_ne!(
            fingerprint(value.as_bytes()),
            fingerprint(owner().as_bytes())
        );
    }
}
