//! The history of a run: the records of its clients, and reading them from the clients' files.

mod events;
mod journal;
mod kind;
mod read;
mod register;

use std::time::Duration;

use crate::timestamp::Timestamp;
pub(crate) use events::{Event, EventKind, Events, during, paused};
pub(crate) use journal::Journal;
pub(crate) use kind::Kind;
pub(crate) use register::{RegisterRead, RegisterWrite, Version};

/// One grant, from the request to its release.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) client: String,
    pub(crate) key: String,
    pub(crate) token: u64,
    /// Round trips of the acquire.
    pub(crate) rounds: u32,
    /// When the request was made.
    pub(crate) called: Timestamp,
    /// When the winning round began, computed from the validity at the return. Never later than the
    /// real start.
    pub(crate) began: Timestamp,
    pub(crate) returned: Timestamp,
    /// The latest end of validity that the guard reported, rounded down.
    pub(crate) valid_until: Timestamp,
    /// When the release was called, or `detach`; `None` when the holder was killed before.
    pub(crate) releasing: Option<Timestamp>,
    /// When the release returned.
    pub(crate) released: Option<Timestamp>,
    /// When a ticket had taken its place.
    pub(crate) detached: Option<Timestamp>,
    /// The grant whose ticket was adopted by this one.
    pub(crate) ticket: Option<String>,
}

impl Grant {
    /// Until when the holder relied on it.
    pub(crate) fn held_until(&self) -> Timestamp {
        self.releasing
            .unwrap_or(Timestamp::MAX)
            .min(self.valid_until)
    }
}

/// One request that got no lock.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) client: String,
    pub(crate) key: String,
    pub(crate) called: Timestamp,
    pub(crate) returned: Timestamp,
    /// The `wait` of the request.
    pub(crate) wait: Duration,
    /// The kind of the error, or `dropped`.
    pub(crate) reason: String,
}

/// The state of a lock on the nodes while it was held.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) grant: String,
    pub(crate) at: Timestamp,
    pub(crate) valid_until: Timestamp,
    pub(crate) nodes: Vec<NodeState>,
}

/// The state of a lock on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeState {
    /// The holder's value, which expires at this time at the latest.
    HeldUntil(Timestamp),
    /// No value, or that of another client.
    NotHeld,
    NoReply,
}

/// Everything that the clients of a run wrote.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) grants: Vec<Grant>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) writes: Vec<RegisterWrite>,
    pub(crate) reads: Vec<RegisterRead>,
    /// Reads of registers that failed, as while too few nodes remember what was written.
    pub(crate) unanswered_reads: usize,
}
