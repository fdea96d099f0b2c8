//! A state of the whole system: nodes with the requests in flight to them, clients, attempts, and
//! grants.

use std::hash::{Hash, Hasher};

pub(crate) const MAX_NODES: usize = 5;
pub(crate) const MAX_CLIENTS: usize = 3;
pub(crate) const MAX_ATTEMPTS: usize = 6;
pub(crate) const MAX_ROUNDS: usize = 3;
pub(crate) const MAX_EXTENSIONS: usize = 2;

/// Requests of an attempt in flight to a node, one bit each. It is a set, so they arrive in any
/// order.
pub(crate) mod flight {
    /// Acquire of round `r` is `ACQUIRE << r`.
    pub(crate) const ACQUIRE: u8 = 1;
    pub(crate) const ACQUIRES: u8 = 0b111;
    /// Extension `i` is `EXTEND << i`.
    pub(crate) const EXTEND: u8 = 1 << 3;
    pub(crate) const RELEASE: u8 = 1 << 5;
    pub(crate) const COOL_DOWN: u8 = 1 << 6;
    /// Not a request. The node accepted an acquire, or this will never be known, so it needs a
    /// release.
    pub(crate) const OPEN: u8 = 1 << 7;
}

/// The reply of a node to the current round of a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Vote {
    #[default]
    None,
    /// OK or YES.
    Yes,
    /// HELD, RESTORED, or no.
    No,
    Stale,
    /// A yes of a process that has lost the key since. The client cannot know this.
    YesForgotten,
    /// A yes within the guard time. It counts only if it is read after the guard time.
    YesInGuard,
}

/// Whether the validity of a client is based on the vote of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Support {
    #[default]
    None,
    Kept,
    /// The node has lost the key since.
    Forgotten,
}

/// A Redis node: the lock key, the fence, and the requests in flight to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// The value of the lock key. 0: no key.
    pub(crate) owner: u8,
    pub(crate) timer: u8,
    pub(crate) fence: u8,
    /// The rest of the guard time.
    pub(crate) guard: u8,
    /// The last snapshot: owner, timer, fence.
    pub(crate) snapshot: (u8, u8, u8),
    pub(crate) votes: [Vote; MAX_CLIENTS],
    pub(crate) support: [Support; MAX_CLIENTS],
    pub(crate) flight: [u8; MAX_ATTEMPTS],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Idle,
    Acquiring,
    Held,
    /// Held, with an extension round open.
    Extending,
    /// The critical section is over, the cool-down round is open.
    CoolingDown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) phase: Phase,
    /// Attempts that are over.
    pub(crate) over: u8,
    pub(crate) round: u8,
    /// Extensions sent in this attempt.
    pub(crate) extensions: u8,
    /// Ticks since the round began.
    pub(crate) elapsed: u8,
    /// The remaining validity. The client is a holder while it is not 0.
    pub(crate) validity: u8,
    /// The rest of a confirmed cool-down.
    pub(crate) window: u8,
    /// A win with this token would be a violation: a token at least as large had been granted when
    /// the round began, or the same token was granted since.
    pub(crate) outdated: bool,
    /// The next token for a hand-over, the last confirmed token, and the highest token ever
    /// requested.
    pub(crate) next: u8,
    pub(crate) confirmed: u8,
    pub(crate) asked: u8,
    /// Another client was granted the lock after this client.
    pub(crate) overtaken: bool,
}

/// The contents of the requests of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// The token proposed in each round.
    pub(crate) tokens: [u8; MAX_ROUNDS],
    /// For each extension: the ttl, the highest token that was confirmed, and the highest ever requested.
    pub(crate) extends: [(u8, u8, u8); MAX_EXTENSIONS],
    /// The highest token ever requested. The tombstone is one more.
    pub(crate) asked: u8,
    pub(crate) cool_down: u8,
    /// For how many ticks its release has been in flight. Only counted with
    /// [`Config::late`](crate::config::Config).
    pub(crate) in_flight: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) nodes: [Node; MAX_NODES],
    pub(crate) clients: [Client; MAX_CLIENTS],
    pub(crate) attempts: [Attempt; MAX_ATTEMPTS],
    /// The largest token granted so far.
    pub(crate) granted: u8,
    pub(crate) now: u8,
    pub(crate) restarts: u8,
    pub(crate) deletions: u8,
    /// The tokens granted so far, if keys are deleted, as bits.
    pub(crate) used: u32,
    /// A token was granted twice.
    pub(crate) twice: bool,
    /// A token was granted out of order, or twice.
    pub(crate) out_of_order: bool,
    /// A cool-down was confirmed although another client had been granted the lock in between.
    pub(crate) overtaken_window: bool,
    /// A hash of all of the above.
    pub(crate) digest: u64,
}

impl Node {
    /// The whole node as one number, for sorting and hashing.
    pub(crate) fn packed(&self) -> u128 {
        let mut packed = Packer::default();
        packed
            .put(self.owner, 4)
            .put(self.timer, 4)
            .put(self.fence, 5)
            .put(self.guard, 4);
        packed
            .put(self.snapshot.0, 4)
            .put(self.snapshot.1, 4)
            .put(self.snapshot.2, 5);
        for client in 0..MAX_CLIENTS {
            packed
                .put(self.votes[client] as u8, 3)
                .put(self.support[client] as u8, 2);
        }
        for flight in self.flight {
            packed.put(flight, 8);
        }
        packed.0
    }
}

impl Client {
    pub(crate) fn packed(&self) -> u64 {
        let mut packed = Packer::default();
        packed
            .put(self.phase as u8, 3)
            .put(self.over, 3)
            .put(self.round, 2)
            .put(self.extensions, 2);
        packed
            .put(self.elapsed, 4)
            .put(self.validity, 4)
            .put(self.window, 4);
        packed
            .put(self.next, 5)
            .put(self.confirmed, 5)
            .put(self.asked, 5);
        packed
            .put(u8::from(self.overtaken), 1)
            .put(u8::from(self.outdated), 1);
        packed.0 as u64
    }
}

impl Attempt {
    pub(crate) fn packed(&self) -> u64 {
        let mut packed = Packer::default();
        for token in self.tokens {
            packed.put(token, 5);
        }
        for (ttl, confirmed, asked) in self.extends {
            packed.put(ttl, 4).put(confirmed, 5).put(asked, 5);
        }
        packed
            .put(self.asked, 5)
            .put(self.cool_down, 4)
            .put(self.in_flight, 4);
        packed.0 as u64
    }
}

impl State {
    /// The fields that belong to no node, client or attempt.
    pub(crate) fn packed(&self) -> u64 {
        let mut packed = Packer::default();
        packed
            .put(self.now, 5)
            .put(self.restarts, 3)
            .put(self.granted, 5);
        packed
            .put(u8::from(self.out_of_order), 1)
            .put(u8::from(self.overtaken_window), 1)
            .put(u8::from(self.twice), 1)
            .put(self.deletions, 2);
        for byte in self.used.to_le_bytes() {
            packed.put(byte, 8);
        }
        packed.0 as u64
    }
}

/// The digest is computed once, when the state is made canonical.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.digest);
    }
}

/// Packs bit fields into one number. A value that does not fit means that the bounds are wrong.
#[derive(Default)]
struct Packer(u128);

impl Packer {
    fn put(&mut self, value: u8, bits: u32) -> &mut Self {
        debug_assert!(
            u32::from(value) < 1 << bits,
            "{value} does not fit {bits} bits"
        );
        self.0 = self.0 << bits | u128::from(value);
        self
    }
}
