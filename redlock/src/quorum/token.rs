//! Fencing tokens.

use std::{fmt, str::FromStr};

use crate::command::TOKEN_LIMIT;

/// A number that is larger for every next holder of a key.
///
/// Pass it to the store that the lock protects. A store that refuses a token lower than one it has
/// seen is safe even from a holder that was paused for longer than its lease and does not know yet
/// that it lost the lock ([Kleppmann, *How to do distributed
/// locking*](https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html)).
///
/// Tokens of one key strictly increase, as long as no more than a minority of the nodes forgets
/// what it stored. They are microseconds of a calibrated clock, so they have gaps, fit into 53 bits
/// (a JSON number) and are comparable only within a key. A lock that was acquired with
/// `fencing(false)` has token 0, which such a store refuses.
///
/// Store it as an `i64` or a text, and convert it back by `TryFrom` or `FromStr`. With the feature
/// `serde` it is a number.
///
/// ```
/// use redlock::FencingToken;
///
/// let stored: i64 = 1_764_144_000_000_000;
/// let token = FencingToken::try_from(stored)?;
/// assert_eq!(i64::from(token), stored);
/// assert_eq!(token.to_string().parse(), Ok(token));
/// assert!(FencingToken::try_from(-1_i64).is_err());
/// # Ok::<(), redlock::InvalidToken>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "u64", try_from = "u64"))]
pub struct FencingToken(u64);

impl FencingToken {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const LIMIT: u64 = TOKEN_LIMIT;

    pub(crate) fn new(value: u64) -> Self {
        Self(value)
    }

    /// The token as a number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<FencingToken> for u64 {
    fn from(token: FencingToken) -> Self {
        token.0
    }
}

impl From<FencingToken> for i64 {
    fn from(token: FencingToken) -> Self {
        // A token has at most 53 bits.
        signed(token.0)
    }
}

impl TryFrom<u64> for FencingToken {
    type Error = InvalidToken;

    fn try_from(number: u64) -> Result<Self, InvalidToken> {
        if number < 1 << 53 {
            Ok(Self(number))
        } else {
            Err(InvalidToken(()))
        }
    }
}

impl TryFrom<i64> for FencingToken {
    type Error = InvalidToken;

    fn try_from(number: i64) -> Result<Self, InvalidToken> {
        u64::try_from(number)
            .map_err(|_| InvalidToken(()))?
            .try_into()
    }
}

impl FromStr for FencingToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        text.parse::<u64>()
            .map_err(|_| InvalidToken(()))?
            .try_into()
    }
}

/// The error for a number or text that is not a [`FencingToken`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidToken(());

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a fencing token: a token is a whole number from 0 to 2^53 - 1")
    }
}

impl std::error::Error for InvalidToken {}

pub(super) fn signed(micros: u64) -> i64 {
    i64::try_from(micros).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_whole_number_of_53_bits() {
        let most: u64 = (1 << 53) - 1;
        let token = FencingToken::try_from(most).expect("53 bits");
        assert_eq!((token.get(), u64::from(token)), (most, most));
        assert_eq!(FencingToken::try_from(i64::from(token)), Ok(token));
        assert_eq!(token.to_string().parse(), Ok(token));
        assert!(FencingToken::try_from(most + 1).is_err());
        assert!(FencingToken::try_from(-1_i64).is_err());
        for text in ["", "-1", "1.0", "token", "9007199254740992"] {
            assert!(text.parse::<FencingToken>().is_err(), "{text}");
        }
    }
}
