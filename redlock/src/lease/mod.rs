//! Leases: one grant of a lock, from the winning round to its release.
//!
//! # Design
//!
//! A [`Lease`] is what the nodes granted: an owner, a block of fencing tokens, and a validity that extensions raise. A
//! [`Hold`] is one use of it in this process, behind one guard. A lease has one hold at a time. When a hold ends well, the
//! lease may be handed over to the next local waiter: a new hold, with the next token of the block.
//!
//! ```text
//!   granted ──▶ open ──┬──▶ released
//!                      ├──▶ detached
//!                      └──▶ lost
//! ```
//!
//! All ends are final, and [`state::State`] lets only one caller end a lease:
//!
//! | end | caused by | the release is sent |
//! |---|---|---|
//! | released | the end of the last hold ([`hand_over`]) | at once, or a cool-down instead |
//! | detached | `Guard::detach` ([`detach`]) | not at all: another process continues with the lock |
//! | lost: gone | an extension that a majority refused ([`extend`]) | when no body runs any more, at the latest when the validity is over ([`loss`]) |
//! | lost: expired | the end of the validity, noticed by renewal, by the hold or by a local waiter | the same |
//! | lost: held too long | `max_hold`, noticed by the same | the same |
//! | lost: released by force | `Redlock::force_release` in this process | the same |
//! | lost: superseded | a newer request, where the newest wins | the same |
//!
//! An extension may be on its way when the lease ends. It records the nodes it was sent to before it looks at the state
//! again, and the release looks at the state before it reads these nodes, so at least one of the two sends the release
//! behind the extension.
//!
//! Bounded are: how far the tokens of a lease reach ahead ([`TokenBlock`](crate::quorum::token_block::TokenBlock)), the time and the number of hand-overs
//! ([`HandOverLimit`]), the extensions in flight ([`renewal`]), and for how long a lost lease keeps its key for a body
//! that still runs: for the rest of its validity.

mod bodies;
mod body;
mod detach;
mod extend;
mod grant;
mod hand_over;
mod hold;
mod loss;
mod options;
mod release;
pub(crate) mod renewal;
mod state;

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{
            AtomicU16, AtomicU64,
            Ordering::{AcqRel, Acquire, SeqCst},
        },
    },
    time::Duration,
};

use self::state::State;
pub(crate) use self::{
    body::Body,
    detach::Detached,
    grant::Grant,
    hand_over::{HandOverLimit, LocalWaiters},
    hold::{AlreadyEnded, HandedOver, Hold},
    options::{HoldOptions, LeaseOptions, Window},
    release::Release,
};
use crate::{
    command::KeptOwner,
    core::Core,
    env::{clock::Instant, sync::lock},
    error::Error,
    key::Key,
    lock_kind::Claim,
    node::ConnectionSet,
    quorum::{
        node_set::{AtomicNodeSet, NodeSet},
        token_block::AtomicTokenBlock,
        validity,
    },
    round::{LateVoteObserver, Round},
};

/// One grant. There is one for every lock that is held, so it is kept small.
#[derive(Debug)]
pub(crate) struct Lease {
    core: Arc<Core>,
    /// The connections of the acquire: a release on them arrives behind it.
    connections: Arc<ConnectionSet>,
    key: Arc<Key>,
    options: LeaseOptions,
    owner: KeptOwner,
    tokens: AtomicTokenBlock,
    granted_at: Instant,
    /// In microseconds of the client's clock; only ever raised.
    valid_until: AtomicU64,
    /// Nodes that may hold the key by the acquire.
    touched: AtomicNodeSet,
    /// Nodes that may hold the key by an extension.
    extended: AtomicNodeSet,
    rounds: u8,
    state: State,
    hand_over_limit: HandOverLimit,
    /// The number of the only renewal timer that counts. Only few timers of a lease exist at a time.
    renewal: AtomicU16,
    /// When the earliest scheduled check of the deadlines is due, in microseconds of the client's clock.
    check_at: AtomicU64,
    holds: Mutex<Holds>,
}

#[derive(Debug, Default)]
struct Holds {
    current: Weak<Hold>,
    /// How many holds there were so far.
    count: u32,
    local_waiters: Option<Arc<dyn LocalWaiters>>,
    /// Boxed, since few leases are lost.
    lost: Option<Box<AfterLoss>>,
}

/// What follows when a lease is lost.
#[derive(Debug)]
struct AfterLoss {
    lost_at: Instant,
    /// The hold that was lost with the lease, until the release is sent behind its bodies.
    releasing_after: Option<Arc<Hold>>,
    /// Once it was sent.
    release: Option<Arc<Round>>,
}

impl Holds {
    fn releases_after_body(&self) -> bool {
        let lost = self.lost.as_ref();
        lost.is_some_and(|lost| lost.releasing_after.is_some())
    }
}

impl Lease {
    pub(crate) fn new(
        core: &Arc<Core>,
        connections: &Arc<ConnectionSet>,
        key: &Arc<Key>,
        options: LeaseOptions,
        grant: &Grant,
        hand_over_limit: HandOverLimit,
    ) -> Arc<Self> {
        let lease = Arc::new(Self {
            core: Arc::clone(core),
            connections: Arc::clone(connections),
            key: Arc::clone(key),
            options,
            owner: KeptOwner::new(grant.claim.owner),
            tokens: AtomicTokenBlock::new(grant.claim.tokens),
            granted_at: core.now(),
            valid_until: AtomicU64::new(0),
            touched: AtomicNodeSet::new(NodeSet::all(core.nodes.len())),
            extended: AtomicNodeSet::new(NodeSet::default()),
            rounds: u8::try_from(grant.rounds).unwrap_or(u8::MAX),
            state: State::open(),
            hand_over_limit,
            renewal: AtomicU16::new(0),
            check_at: AtomicU64::new(u64::MAX),
            holds: Mutex::default(),
        });
        lease.raise_validity(grant.started);
        grant.round.observe_late_votes(&lease, grant.earlier);
        lease
    }

    /// The waiters of this process, which get the lease, or the right to ask for one, after this.
    pub(crate) fn set_local_waiters(&self, waiters: Arc<dyn LocalWaiters>) {
        lock(&self.holds).local_waiters = Some(waiters);
    }

    /// Starts the next hold, unless the lease has ended or its tokens are used up.
    pub(crate) fn start_hold(self: &Arc<Self>, options: HoldOptions) -> Option<Arc<Hold>> {
        let mut holds = lock(&self.holds);
        let now = self.core.now();
        // Under the lock that losing takes too, so that a lost lease has no open hold.
        if !self.is_open_at(now) {
            return None;
        }
        self.tokens.load().get(holds.count)?;
        let hold = Hold::new(self, holds.count, options, now);
        holds.count += 1;
        holds.current = Arc::downgrade(&hold);
        Some(hold)
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn key(&self) -> &Arc<Key> {
        &self.key
    }

    pub(crate) fn options(&self) -> &LeaseOptions {
        &self.options
    }

    /// How many rounds the acquire took.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.into()
    }

    /// Reserves further tokens with the next extension, if few are left at the `number`-th hold. Returns whether that extension
    /// should follow soon.
    ///
    /// The end of a lease reads the tokens after it has ended, and an extension looks whether the lease has ended once it is sent.
    /// So the tombstone is above these tokens; or nothing is sent for them; or the lease ended while the extension was being
    /// sent, and another release follows it, whose tombstone is above them.
    pub(crate) fn reserve_further(&self, number: u32) -> bool {
        let tokens = self.tokens.load();
        if !tokens.runs_out(number) {
            return false;
        }
        let most = self.core.nodes.tokens.most_of_block(self.core.now());
        let further = tokens.further(number, most);
        further.is_some_and(|further| self.tokens.ask(tokens, further))
    }

    /// The highest token that may have been used; 0 without fencing.
    pub(crate) fn last_token(&self) -> u64 {
        self.tokens.load().last().unwrap_or(0)
    }

    pub(crate) fn owner(&self) -> &str {
        self.owner.as_str()
    }

    fn claim(&self) -> Claim {
        Claim {
            owner: self.owner.get(),
            tokens: self.tokens.load(),
        }
    }

    pub(crate) fn hand_over_limit(&self) -> HandOverLimit {
        self.hand_over_limit
    }

    /// Whether this is called in the runtime that acquired the lease.
    pub(crate) fn is_of_current_runtime(&self) -> bool {
        self.connections.is_current()
    }

    /// Whether the lease holds: it has not ended, and its validity is not over.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open_at(self.core.now())
    }

    fn is_open_at(&self, now: Instant) -> bool {
        self.state.is_open() && now < self.valid_until()
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.valid_until().saturating_since(self.core.now())
    }

    pub(crate) fn lost_error(&self) -> Error {
        let loss = self.state.loss();
        if loss == Some(state::Loss::Superseded) {
            return Error::superseded(self.key.given());
        }
        let reason = loss.map_or("it was released before", state::Loss::reason);
        Error::lost(self.key.given(), reason)
    }

    fn valid_until(&self) -> Instant {
        Instant::from_micros(self.valid_until.load(Acquire))
    }

    /// A majority holds the key for a ttl from `started` on.
    fn raise_validity(&self, started: Instant) {
        let until = started.after(validity::usable(self.options.ttl));
        self.valid_until.fetch_max(until.micros(), AcqRel);
    }

    /// Schedules a renewal timer; returns its number, and no earlier one counts any more.
    pub(crate) fn next_renewal(&self) -> u16 {
        self.renewal.fetch_add(1, AcqRel).wrapping_add(1)
    }

    pub(crate) fn is_current_renewal(&self, number: u16) -> bool {
        self.renewal.load(Acquire) == number
    }

    /// When to check the deadlines next: the end of a hold with a limit, or of the time for which a lost lease keeps the key
    /// for its body.
    pub(crate) fn next_check_in(&self) -> Option<Duration> {
        let hold = {
            let holds = lock(&self.holds);
            if holds.releases_after_body() {
                return Some(self.remaining());
            }
            holds.current.upgrade()
        };
        hold.and_then(|hold| hold.ends_in())
    }

    /// Schedules a check at `at`. `false` if an earlier one is scheduled.
    pub(crate) fn schedule_check(&self, at: Instant) -> bool {
        at.micros() < self.check_at.fetch_min(at.micros(), SeqCst)
    }

    /// Takes the check that was scheduled for `at`. `false` if an earlier one replaced it.
    pub(crate) fn take_check(&self, at: Instant) -> bool {
        let next = self
            .check_at
            .compare_exchange(at.micros(), u64::MAX, SeqCst, SeqCst);
        next.is_ok()
    }

    /// Ends what is past its deadline. Returns whether the lease is still open.
    pub(crate) fn check_deadlines(self: &Arc<Self>) -> bool {
        let hold = lock(&self.holds).current.upgrade();
        if let Some(hold) = hold {
            hold.check_deadlines();
        }
        self.check_validity();
        self.is_open()
    }
}

/// Late votes of the winning round narrow down where to send the release.
impl LateVoteObserver for Lease {
    fn touched(&self, nodes: NodeSet) {
        self.touched.store(nodes);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Whatever the end was, local waiters continue.
        self.notify_local_waiters(None, None);
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_held_takes_little_memory() {
        let sizes = [size_of::<Lease>(), size_of::<Hold>(), size_of::<Key>()];
        let most = [200, 40, 24];
        assert!(
            sizes.iter().zip(most).all(|(size, most)| *size <= most),
            "{sizes:?}"
        );
    }
}
