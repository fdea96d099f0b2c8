//! What a node replies to a command.

use std::time::Duration;

use super::RegisterAnswer;
use crate::{fault::Fault, label::Label};

/// The reply of a node, as a round counts it.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Done, and it is a vote.
    Yes,
    /// Released, and a waiting process was notified.
    Notified,
    /// Another holder has the key, or it is cooling down.
    Held {
        left: Duration,
        fence: u64,
        /// The [`fingerprint`](super::fingerprint) of the holder. 0 if it is unknown.
        by: u64,
        /// The label of the holder, if it has one.
        label: Option<Label>,
        cools: bool,
        /// The holder will notify the inbox that was sent with the request.
        notifies: bool,
    },
    /// The token is not above the fence; nothing was written.
    Stale { fence: u64 },
    /// Extension: the key is missing and may not be restored, or is another's.
    Gone,
    /// Extension: the key was missing and is restored. No vote.
    Restored,
    /// Done, but no vote for this long: the node may have forgotten locks.
    Quarantined { left: Duration },
    /// Extension: the key is missing on a node that may have forgotten locks, and that has no vote for this long.
    Forgot { left: Duration },
    /// The state of a semaphore.
    Permits(PermitState),
    /// Who holds the key.
    Holders(HoldersState),
    /// The answer about a register, which has rules of its own for what is a vote.
    Register(RegisterAnswer),
    /// No vote, and why.
    Failed(Fault),
}

/// Who holds a lock, all permits of a semaphore, or both sides of a read/write lock, as a node reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HoldersState {
    pub(crate) holders: Vec<HolderState>,
    /// How many processes wait.
    pub(crate) waiting: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HolderState {
    /// The number of the permit; of a read/write lock [`WRITER`](Self::WRITER) or [`READER`](Self::READER); of a lock 0.
    pub(crate) place: u32,
    /// Empty if the value is too long for an owner.
    pub(crate) owner: Vec<u8>,
    pub(crate) left: Duration,
    /// The highest token seen.
    pub(crate) fence: u64,
}

impl HolderState {
    pub(crate) const WRITER: u32 = 0;
    pub(crate) const READER: u32 = 1;
}

/// What a node reports about a semaphore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PermitState {
    /// Whether each permit is free.
    Free(Vec<bool>),
    /// Other clients use this number of permits.
    Other(String),
}
