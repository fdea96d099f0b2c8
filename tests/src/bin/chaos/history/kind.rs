//! The kinds of grants.

use std::fmt;

/// What was granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Lock,
    /// One of the keys of `lock_all`.
    Several,
    /// A lock that another client had detached.
    Adopted,
    /// The term of a leader.
    Term,
    /// A permit of a semaphore.
    Permit,
    Read,
    Write,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Lock,
        Self::Several,
        Self::Adopted,
        Self::Term,
        Self::Permit,
        Self::Read,
        Self::Write,
    ];

    /// Whether a grant excludes every other one of its key.
    pub(crate) fn is_exclusive(self) -> bool {
        match self {
            Self::Lock | Self::Several | Self::Adopted | Self::Term => true,
            Self::Permit | Self::Read | Self::Write => false,
        }
    }

    /// The kind with this name in a history.
    pub(super) fn read(word: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.to_string() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lock => "lock",
            Self::Several => "several",
            Self::Adopted => "adopted",
            Self::Term => "term",
            Self::Permit => "permit",
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}
