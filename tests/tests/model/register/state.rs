//! What nodes, holders and readers know, and what can happen to them.

pub(super) const NODES: usize = 5;
pub(super) const HOLDERS: usize = 3;
pub(super) const READS: usize = 2;
/// The numbers of requests: four for each holder, two for each read without the lock.
pub(super) const OF_HOLDER: usize = 4;
pub(super) const OF_READER: usize = HOLDERS * OF_HOLDER;
pub(super) const READ: usize = 0;
pub(super) const BACK: usize = 1;
pub(super) const WRITE: usize = 1;
/// The first moment; a node that started before it has forgotten nothing.
pub(super) const BEGIN: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The design.
    Whole,
    /// A node promises nothing to a holder that reads.
    NoPromise,
    /// A node keeps whatever version arrives last.
    VersionsNotCompared,
    /// A holder uses what it read without writing it back.
    NoWriteBack,
    /// A holder writes back under the version that it found.
    WriteBackUnderOldVersion,
    /// A holder takes any answer, not the highest.
    AnyAnswer,
    /// A holder gives all of its writes the same number.
    SameSeq,
    /// A reader without the lock believes the highest version, wherever it is.
    ReaderBelieves,
    /// A reader's write-back is stored against the promise.
    ReaderIgnoresPromise,
    /// Every answer to a read is a vote.
    ForgottenCounts,
    /// Every acknowledgement is a vote.
    EveryAckCounts,
    /// A node has a vote on anything after the guard time of locks.
    GuardTimeOfLocks,
    /// A token that is above the start of a node is taken for newer, whatever the clocks are.
    SkewLeftOut,
    /// A promise is kept for the retention, and not for the skew beyond it.
    PromiseWithoutSkew,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Register {
    pub(crate) name: &'static str,
    pub(crate) nodes: usize,
    pub(crate) holders: usize,
    /// Which holders read.
    pub(crate) read_by: [bool; HOLDERS],
    /// Writes of each holder, at most two.
    pub(crate) writes: [u8; HOLDERS],
    /// Reads without the lock, at most [`READS`].
    pub(crate) reads: u8,
    pub(crate) restarts: u8,
    /// The last moment. [`BEGIN`]: time stands still.
    pub(crate) until: u8,
    pub(crate) retention: u8,
    pub(crate) skew: u8,
    pub(crate) duplicates: bool,
    pub(crate) rule: Rule,
    pub(crate) fixed_names: bool,
}

/// (token, seq) as one number, the write that the value comes from, and when it expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Entry {
    pub(super) version: u8,
    pub(super) origin: u8,
    pub(super) expires: u8,
}

pub(super) fn version(token: u8, seq: u8) -> u8 {
    token * 4 + seq
}

pub(super) fn token(version: u8) -> u8 {
    version / 4
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Node {
    pub(super) promise: u8,
    pub(super) entry: Entry,
    /// Until when the record is kept.
    pub(super) kept: u8,
    /// When it started, if it has restarted.
    pub(super) started: u8,
    pub(super) restarted: bool,
    pub(super) pending: u16,
    pub(super) answered: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Step {
    #[default]
    Idle,
    Reading,
    WritingBack,
    Writing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Client {
    pub(super) token: u8,
    pub(super) step: Step,
    pub(super) has_read: bool,
    pub(super) written: u8,
    pub(super) votes: u8,
    pub(super) agreeing: u8,
    /// The highest answer to a read; then what is written.
    pub(super) entry: Entry,
    /// The version of it as it was found.
    pub(super) found: u8,
    /// What had to be seen when the read began.
    pub(super) before: Entry,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(super) nodes: [Node; NODES],
    pub(super) holders: [Client; HOLDERS],
    pub(super) reads: [Client; READS],
    pub(super) started: u8,
    pub(super) now: u8,
    pub(super) restarts: u8,
    /// The highest version that was confirmed or read so far.
    pub(super) known: Entry,
    pub(super) unseen: bool,
    pub(super) older: bool,
    /// What the writes of holders carry; the second of two may overtake the first.
    pub(super) writes: [[Entry; 2]; HOLDERS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The next holder is granted the lock.
    Grant {
        token: u8,
    },
    HolderReads,
    HolderWrites,
    /// Without the lock.
    Read,
    /// A reader without the lock writes back, although further answers may arrive.
    Decide {
        client: usize,
    },
    Arrive {
        request: usize,
        node: usize,
    },
    Restart {
        node: usize,
    },
    Tick,
}
