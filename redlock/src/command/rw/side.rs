//! The two sides of a read/write lock.

use super::super::Script;
use crate::key::Key;

/// A side of a read/write lock. Commands that differ only in whose keys come first have it as a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Read,
    Write,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Read => Self::Write,
            Self::Write => Self::Read,
        }
    }

    /// The keys of this side, of the lock with the name of `key`.
    pub(crate) fn key(self, key: &Key) -> Key {
        match self {
            Self::Read => key.readers(),
            Self::Write => key.writer(),
        }
    }

    /// The keys of this side and those of the other one.
    pub(super) fn keys(self, key: &Key) -> [Key; 2] {
        [self.key(key), self.other().key(key)]
    }

    /// The script that acquires this side, and its variant for the strict restart guard.
    pub(super) fn acquire_scripts(self) -> [Script; 2] {
        match self {
            Self::Read => [Script::AcquireRead, Script::AcquireReadStrict],
            Self::Write => [Script::AcquireWrite, Script::AcquireWriteStrict],
        }
    }

    /// The same for the scripts that extend it.
    pub(super) fn extend_scripts(self) -> [Script; 2] {
        match self {
            Self::Read => [Script::ExtendRead, Script::ExtendReadStrict],
            Self::Write => [Script::ExtendWrite, Script::ExtendWriteStrict],
        }
    }
}
