//! Writes and reads of registers.

use std::{fmt, str::FromStr};

use crate::timestamp::Timestamp;

/// The version of a value: the token of the holder that wrote it, and the number of its write. A
/// value consists of its version alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Version {
    pub(crate) token: u64,
    pub(crate) seq: u64,
}

/// A write by a holder.
#[derive(Clone, Debug)]
pub(crate) struct RegisterWrite {
    pub(crate) key: String,
    pub(crate) version: Version,
    pub(crate) called: Timestamp,
    /// When it was confirmed. `None`: it may or may not be written.
    pub(crate) confirmed: Option<Timestamp>,
}

/// A read that was answered.
#[derive(Clone, Debug)]
pub(crate) struct RegisterRead {
    pub(crate) client: String,
    pub(crate) key: String,
    /// The token of the reader, if it holds the lock.
    pub(crate) holder: Option<u64>,
    pub(crate) called: Timestamp,
    pub(crate) returned: Timestamp,
    /// The version that it returned, if there was a value.
    pub(crate) found: Option<Version>,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.token, self.seq)
    }
}

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (token, seq) = text.split_once(':').ok_or(())?;
        Ok(Self {
            token: token.parse().map_err(drop)?,
            seq: seq.parse().map_err(drop)?,
        })
    }
}
