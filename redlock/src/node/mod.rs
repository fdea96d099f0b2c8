//! Nodes: what can be asked of one, and what it may answer. Nothing here knows of quorums.

mod address;
mod backlog;
mod connection;
mod connection_set;
mod connection_tasks;
mod deferral;
mod fault;
mod first_contact;
mod in_flight;
mod info;
mod lists;
pub mod memory;
#[cfg(feature = "cluster")]
mod moves;
mod notifications;
mod outbox;
mod redis;
mod runtime;
#[cfg(feature = "cluster")]
mod shards;
mod state;
mod strict;

use std::{sync::Arc, time::Duration};

pub(crate) use address::Endpoint;
pub use address::NodeAddress;
pub(crate) use connection_set::{ConnectionSet, Nodes};
pub(crate) use fault::Fault;
pub use fault::FaultKind;
pub(crate) use info::Info;
pub(crate) use lists::Lists;
pub(crate) use notifications::{Notification, Notifications, Subscriber};
pub(crate) use outbox::Outbox;
pub(crate) use redis::Access;
#[cfg(feature = "__fuzzing")]
pub use redis::read;
pub(crate) use runtime::{sleep, timeout};
pub(crate) use state::{NodeState, Part};
pub(crate) use strict::{Strict, is_reserved};

use crate::{
    env::{clock::Instant, random::unique},
    key::Key,
};

/// The address of one server that is not a node.
#[cfg(feature = "http")]
pub(crate) fn server(address: &str) -> Result<::redis::ConnectionInfo, redis::Wrong> {
    redis::Target::one(address)
}

/// One request to a node, the same for each node of a round.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) key: Arc<Key>,
    pub(crate) command: Command,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// Take the key for `owner`. With a token: fenced, and the tokens up to `last` are reserved.
    Acquire {
        owner: Owner,
        ttl: Duration,
        token: Option<u64>,
        last: Option<u64>,
        /// The inbox to tell when the key is free, where it is not.
        inbox: Option<Inbox>,
    },
    /// Raise the ttl of what `owner` holds; with a token, write it again where it is missing.
    Extend {
        owner: Owner,
        ttl: Duration,
        token: Option<u64>,
    },
    /// Delete the key if `owner` holds it; with a tombstone, bar what may still arrive for it.
    Release {
        owner: Owner,
        tombstone: Option<u64>,
    },
    /// As a release, but the key stays busy for `window`, which ends at `until`: under `next`, which says that this is a
    /// cool-down.
    CoolDown {
        owner: Owner,
        next: Owner,
        window: Duration,
        until: Instant,
        tombstone: Option<u64>,
    },
    /// Put an inbox among the waiters.
    JoinWaitlist { inbox: Inbox },
    /// Strike an inbox off the waiters, and pass on what it was told, unless that is empty.
    LeaveWaitlist { inbox: Arc<str>, by: String },
    /// Delete the key if it is free or one of these holds it, and bar what the holder may still send. Those who wait are told
    /// in this name. An empty value stands for all that are longer than [`Owner::LONGEST`].
    ForceRelease { by: Owner, from: Arc<[Vec<u8>]> },
    /// Who holds the key, and for how long.
    Inspect,
    /// Is the node there, and does it vote?
    Ping,
    /// An operator vouches that the node has forgotten nothing.
    Trust,
}

impl Command {
    /// Whether a yes is worth nothing if the node may have forgotten locks.
    pub(crate) fn needs_trust(&self) -> bool {
        matches!(
            self,
            Self::Acquire { .. } | Self::Extend { .. } | Self::CoolDown { .. }
        )
    }

    /// Sent until it is carried out, however late: what an acquire or an extension wrote, or may write yet when a node
    /// that was silent works through its buffers, must not stay.
    pub(crate) fn must_arrive(&self) -> bool {
        matches!(self, Self::Release { .. } | Self::CoolDown { .. })
    }

    /// Whether the key has another holder afterwards, or none.
    pub(crate) fn ends_a_hold(&self) -> bool {
        self.must_arrive() || matches!(self, Self::ForceRelease { .. })
    }

    /// What is to be sent instead of a release that is `now` still undelivered, if it is something else: a cool-down is
    /// shorter by then, or over.
    pub(crate) fn later(&self, now: Instant) -> Option<Self> {
        let Self::CoolDown {
            owner,
            next,
            until,
            tombstone,
            ..
        } = *self
        else {
            return None;
        };
        let window = until.saturating_since(now);
        Some(if window.is_zero() {
            Self::Release { owner, tombstone }
        } else {
            Self::CoolDown {
                owner,
                next,
                window,
                until,
                tombstone,
            }
        })
    }
}

/// Where a process is told that a lock is free.
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    pub(crate) name: Arc<str>,
    /// Since when the process waits or was last served, in microseconds of the token clock: who came first is told first.
    pub(crate) since: u64,
}

/// The value under a key: unique to every attempt, so that nobody mistakes another's key for its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner([u8; Owner::LEN]);

impl Owner {
    /// Hexadecimal digits.
    pub(crate) const LEN: usize = 32;
    /// A value that is longer is nobody's: scripts answer an empty one in its place.
    pub(crate) const LONGEST: usize = 64;
    /// Where the value of a cool-down begins. To clients that do not know it, the key is held by somebody.
    const COOL_DOWN: &[u8] = b"cool-down:";
    /// Where the value of a holder ends that notifies waiters of its release, as other libraries do not.
    const NOTIFIES: &[u8] = b"2ed1";

    /// A new one. `None` where the operating system has no random numbers to give.
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

    /// Whether the release of a key with this value is told to those who wait.
    pub(crate) fn notifies(value: &[u8]) -> bool {
        value.len() == Self::LEN && value.ends_with(Self::NOTIFIES)
    }

    /// The value of the cool-down that this holder leaves behind. It follows from the holder's and is as unique: nobody
    /// extends or releases it, and a cool-down that arrives twice writes the same.
    pub(crate) fn after(self) -> Self {
        let Self(mut value) = self;
        value[..Self::COOL_DOWN.len()].copy_from_slice(Self::COOL_DOWN);
        Self(value)
    }

    /// Whether the value of a key is that of a cool-down.
    pub(crate) fn is_cool_down(value: &[u8]) -> bool {
        value.len() == Self::LEN && value.starts_with(Self::COOL_DOWN)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        // Hexadecimal digits and the word before them are always UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a node answers.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Done, and it counts.
    Yes,
    /// Released, and another process that waits was told.
    Notified,
    /// Another holds the key, or it is in a cool-down: `by` tells holders apart, 0 where it is not known who.
    Held {
        left: Duration,
        fence: u64,
        by: u64,
        cools: bool,
        /// Whoever holds it will notify the inbox that came with the question.
        notifies: bool,
    },
    /// The token is not above the fence; nothing was written.
    Stale { fence: u64 },
    /// Extension: the key is missing and may not come back, or is another's.
    Gone,
    /// Extension: the key was missing and stands again; no vote.
    Restored,
    /// Done, but it does not count for this long: the node may have forgotten locks.
    Quarantined { left: Duration },
    /// Extension: the key is missing on a node that may have forgotten locks, and whose word does not count for this long.
    Forgot { left: Duration },
    /// No vote, and why.
    Failed(Fault),
}

/// What a node says of a key when looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyState {
    pub(crate) owner: Option<Vec<u8>>,
    pub(crate) left: Duration,
    pub(crate) fence: u64,
}

/// Tells the values of other holders apart.
pub(crate) fn fingerprint(owner: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    owner.hash(&mut hasher);
    // 0 stands for nobody known.
    hasher.finish().max(1)
}

/// Where replies go: a round. Called on the task that read the reply, so it must be quick.
pub(crate) trait ReplySink: Send + Sync {
    fn request(&self) -> &Request;
    /// Whether anybody still wants this sent.
    fn wanted(&self) -> bool;
    fn vote(&self, node: usize, reply: Reply);
    /// It is on its way to the node: what it waits for from now on is the node's answer.
    fn sent(&self, _node: usize) {}
    /// The call as it is to be sent later, with nobody waiting for the vote: as small as can be, since there may be
    /// thousands. `None` where it is that already.
    fn deferred(&self, _now: Instant) -> Option<Arc<dyn ReplySink>> {
        None
    }
    /// Whether it goes to the server of a cluster that the key's slot is on its way to.
    fn is_importing(&self) -> bool {
        false
    }
    /// Which server of a cluster votes for it, before its vote.
    #[cfg(feature = "cluster")]
    fn voter(&self, _node: usize, _server: &Arc<NodeState>) {}
    /// It was sent to a node twice, since the connection of the first time was lost: the first one may still arrive.
    fn asked_again(&self, _node: usize) {}
    /// The answer to [`What::Inspect`], before its vote.
    fn observed(&self, _node: usize, _sight: KeyState) {}
}

/// One call on its way to one node.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) sink: Arc<dyn ReplySink>,
    pub(crate) node: usize,
}

impl Operation {
    /// As [`What::must_arrive`].
    pub(crate) fn must_arrive(&self) -> bool {
        self.sink.request().command.must_arrive()
    }

    /// The same for later, as [`ReplySink::deferred`].
    pub(crate) fn deferred(self, now: Instant) -> Self {
        match self.sink.deferred(now) {
            Some(sink) => Self { sink, ..self },
            None => self,
        }
    }

    pub(crate) fn answer(&self, reply: Reply) {
        self.sink.vote(self.node, reply);
    }
}
