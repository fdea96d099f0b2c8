//! The bounds of one model: how many nodes and clients, which steps are on, and which rule is broken on purpose.

use crate::mutants::Mutant;

/// Which restarts a node may go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    /// The node comes back with all it had (`appendfsync always`).
    Whole,
    /// The node comes back with nothing.
    Empty,
    /// The node comes back as it was when it last wrote a snapshot.
    Snapshot,
    /// The same process loses its data: `FLUSHALL`, or it was the replica of another server for a while. Connections
    /// stay, and what is under way on them arrives.
    Emptied,
}

/// How a node that restarted is kept from voting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The client knows the restart: the node writes, and the client does not count the answer while it reads it
    /// within the guard time.
    Observed,
    /// The node itself says QUARANTINED: an acquire writes nothing, an extension and a cool-down write and are no vote.
    Strict,
}

/// One model. Times are in ticks of real time, tokens are small integers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) name: &'static str,
    pub(crate) nodes: usize,
    pub(crate) clients: usize,
    /// Attempts per client, each with a fresh owner id.
    pub(crate) attempts: usize,
    /// Acquire rounds per attempt: the first and the retries after STALE.
    pub(crate) rounds: u8,
    /// Any token in `1..=tokens` may be proposed, whatever the clocks say; unless `skew` is set.
    pub(crate) tokens: u8,
    /// Set: a proposal lies within `now ..= now + skew`, and time ends at `horizon`.
    pub(crate) skew: Option<u8>,
    pub(crate) horizon: u8,
    pub(crate) ttl: u8,
    /// A node's key may expire this much before its ttl is over.
    pub(crate) drift: u8,
    /// The ttls that an extension may ask for, and how many extensions an attempt may send.
    pub(crate) extend: &'static [u8],
    pub(crate) extensions: u8,
    /// The lengths that a cool-down may ask for.
    pub(crate) cool_down: &'static [u8],
    /// A request may be delivered again and again.
    pub(crate) duplicates: bool,
    pub(crate) restarts: u8,
    pub(crate) restart_kinds: &'static [Restart],
    pub(crate) guard: Guard,
    pub(crate) guard_time: u8,
    /// A block of tokens is `[t, t + span]`; 0 is a single token.
    pub(crate) span: u8,
    /// Extensions ask for a further block.
    pub(crate) further_blocks: bool,
    /// An extension may find a node without memory, ..
    pub(crate) may_be_full: bool,
    /// .. as this one does.
    pub(crate) full: bool,
    /// RESTORED counts as a vote of its round (a variant, not the design).
    pub(crate) restored_votes: bool,
    /// How long a release has been under way is a part of the state, and a node may answer it with an error.
    pub(crate) late: bool,
    /// Whether these are checked; a forgotten fence has no order with tokens that follow no clock.
    pub(crate) check_order: bool,
    pub(crate) check_orphans: bool,
    pub(crate) mutant: Option<Mutant>,
}

impl Config {
    /// Nodes, clients and attempts of the plain acquire and release, with everything else off.
    pub(crate) const fn acquire(
        name: &'static str,
        nodes: usize,
        clients: usize,
        attempts: usize,
    ) -> Self {
        Self {
            name,
            nodes,
            clients,
            attempts,
            rounds: 2,
            tokens: 3,
            skew: None,
            horizon: 0,
            ttl: 2,
            drift: 0,
            extend: &[],
            extensions: 0,
            cool_down: &[],
            duplicates: false,
            restarts: 0,
            restart_kinds: &[],
            guard: Guard::Strict,
            guard_time: 0,
            span: 0,
            further_blocks: false,
            may_be_full: false,
            full: false,
            restored_votes: false,
            late: false,
            check_order: true,
            check_orphans: true,
            mutant: None,
        }
    }

    /// The same bounds with one rule broken.
    pub(crate) const fn broken(self, mutant: Mutant) -> Self {
        Self {
            mutant: Some(mutant),
            ..self
        }
    }

    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The quorum over the configured nodes.
    pub(crate) fn quorum(&self) -> u32 {
        let majority = self.nodes / 2 + 1;
        (if self.is(Mutant::HalfIsQuorum) {
            self.nodes / 2
        } else {
            majority
        }) as u32
    }

    /// What a node reads as the owner id of an attempt.
    pub(crate) fn owner(&self, attempt: usize) -> u8 {
        let id = if self.is(Mutant::OwnerReused) {
            attempt / self.attempts * self.attempts
        } else {
            attempt
        };
        id as u8 + 1
    }

    /// The fresh id that a cool-down writes.
    pub(crate) fn cool_down_id(&self, attempt: usize) -> u8 {
        (self.clients * self.attempts + attempt) as u8 + 1
    }

    /// The client whose attempt this is.
    pub(crate) fn client_of(&self, attempt: usize) -> usize {
        attempt / self.attempts
    }
}
