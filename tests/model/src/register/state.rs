//! The state of nodes, holders and readers, and the possible steps.

pub(super) const NODES: usize = 5;
pub(super) const HOLDERS: usize = 3;
pub(super) const READS: usize = 2;
/// The numbers of requests: four for each holder, two for each read without the lock.
pub(super) const OF_HOLDER: usize = 4;
pub(super) const OF_READER: usize = HOLDERS * OF_HOLDER;
pub(super) const READ: usize = 0;
pub(super) const WRITE_BACK: usize = 1;
pub(super) const WRITE: usize = 1;
/// The first time, before which nothing was written. A node that started earlier has forgotten nothing, however young it is:
/// this is what `Quorum::since` states.
pub(super) const BEGIN: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The design.
    Whole,
    /// A node gives no promise to a holder that reads.
    NoPromise,
    /// A node stores the version that arrives last.
    VersionsNotCompared,
    /// A holder uses the value that it read without writing it back.
    NoWriteBack,
    /// A holder writes back with the version that it found.
    WriteBackUnderOldVersion,
    /// A holder uses any reply instead of the highest version.
    AnyAnswer,
    /// A holder gives all of its writes the same number.
    SameSeq,
    /// A reader without the lock uses the highest version even from a single node.
    ReaderBelieves,
    /// A reader's write-back ignores the promise.
    ReaderIgnoresPromise,
    /// Every reply to a read counts as a vote.
    ForgottenCounts,
    /// Every acknowledgement counts as a vote.
    EveryAckCounts,
    /// A node votes on every version after the guard time of locks.
    GuardTimeOfLocks,
    /// The first write is stated to be later than it is.
    StatedTooLate,
    /// A token above the start of a node counts as newer, without regard to the clock skew.
    SkewLeftOut,
    /// A promise is kept for the retention without the skew.
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
    /// The last time. With [`BEGIN`], no time passes.
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
    /// When the record expires.
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
    /// The highest version read so far, and then the version to write.
    pub(super) entry: Entry,
    /// The version that was found.
    pub(super) found: u8,
    /// The version that the read must see at least.
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
    /// The contents of the writes of holders. The second write may overtake the first.
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
    /// A reader without the lock begins to read.
    Read,
    /// A reader without the lock writes back, although further replies may arrive.
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
