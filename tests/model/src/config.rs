//! The configuration of one model: numbers of nodes and clients, enabled steps, and the rule that
//! is broken on purpose.

use crate::mutants::Mutant;

/// The kinds of restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    /// The node restarts with all of its data (`appendfsync always`).
    Whole,
    /// The node restarts without data.
    Empty,
    /// The node restarts from its last snapshot.
    Snapshot,
    /// The same process loses its data: `FLUSHALL`, or it was the replica of another server for a
    /// while. Connections stay open, and requests in flight on them arrive.
    Emptied,
}

/// How the votes of a restarted node are excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The client notices the restart. The node writes, and the client does not count a reply that
    /// it reads within the guard time.
    Observed,
    /// The node itself replies QUARANTINED. An acquire writes nothing; an extension or a cool-down
    /// writes but is not a vote.
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
    /// Any token in `1..=tokens` may be proposed at any time, unless `skew` is set.
    pub(crate) tokens: u8,
    /// If set, a proposal lies within `now ..= now + skew`, and time ends at `horizon`.
    pub(crate) skew: Option<u8>,
    pub(crate) horizon: u8,
    pub(crate) ttl: u8,
    /// A key may expire this much before the end of its ttl.
    pub(crate) drift: u8,
    /// The ttls that an extension may request, and the number of extensions of an attempt.
    pub(crate) extend: &'static [u8],
    pub(crate) extensions: u8,
    /// The windows that a cool-down may request.
    pub(crate) cool_down: &'static [u8],
    /// A request may be delivered any number of times.
    pub(crate) duplicates: bool,
    pub(crate) restarts: u8,
    pub(crate) restart_kinds: &'static [Restart],
    pub(crate) guard: Guard,
    pub(crate) guard_time: u8,
    /// A block of tokens is `[t, t + span]`; 0 is a single token.
    pub(crate) span: u8,
    /// Extensions request a further block.
    pub(crate) further_blocks: bool,
    /// How often somebody else deletes the key of a node, as an operator does. Then only the tokens are checked.
    pub(crate) deletions: u8,
    /// A node may be out of memory when an extension arrives.
    pub(crate) may_be_full: bool,
    /// The node of the current step is out of memory.
    pub(crate) full: bool,
    /// RESTORED counts as a vote of its round (a variant, not the design).
    pub(crate) restored_votes: bool,
    /// The state includes how long a release has been in flight, and a node may reply to it with an
    /// error.
    pub(crate) late: bool,
    /// Whether the order of tokens is checked. After the loss of a fence, tokens without a clock
    /// have no order.
    pub(crate) check_order: bool,
    /// Whether orphaned keys are checked.
    pub(crate) check_orphans: bool,
    pub(crate) mutant: Option<Mutant>,
}

impl Config {
    /// Only acquire and release, with everything else off.
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
            deletions: 0,
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

    /// The owner id of an attempt.
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
