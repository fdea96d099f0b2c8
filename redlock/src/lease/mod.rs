//! A lease: one grant, from the winning round to its end. A hold is one turn in it.

mod body;
mod hold;
pub(crate) mod renewal;

use std::{
    fmt,
    sync::{
        Arc, Mutex, Weak,
        atomic::{
            AtomicU8, AtomicU32, AtomicU64,
            Ordering::{AcqRel, Acquire, SeqCst},
        },
    },
    time::Duration,
};

pub(crate) use body::Body;
pub(crate) use hold::{Hold, Over, Unclaimed};

use crate::{
    command::Owner,
    core::Core,
    env::{clock::Instant, sync::lock},
    error::{Error, Result},
    events::lock as events,
    key::Key,
    mutant::{self, Mutant},
    node::ConnectionSet,
    quorum::{
        token::FencingToken,
        validity,
        votes::{AtomicNodeSet, Decision, NodeSet, Tally},
    },
    round::{
        LateVoteObserver, Round,
        acquire::Grant,
        extend,
        release::{self, Release},
    },
};

const OPEN: u8 = 0;
const RELEASED: u8 = 1;
const LOST: u8 = 2;

/// Why a lease was lost: the states from [`LOST`] on.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Loss {
    Gone = LOST,
    Expired,
    HeldTooLong,
    TakenAway,
}

impl Loss {
    fn why(self) -> &'static str {
        match self {
            Self::Gone => {
                "a majority of the nodes no longer holds it: it expired, was deleted, or was evicted"
            }
            Self::Expired => "its validity is over: it was not extended in time",
            Self::HeldTooLong => "its maximum hold time is over",
            Self::TakenAway => "an operator took it away by force",
        }
    }
}

/// The most turns of a lease while another process waits for it.
const TURNS: u8 = 16;
/// The longest that a lease goes from hand to hand before it is given back, when none of several had to be shared.
const HAND_OVER_TIME: Duration = Duration::from_millis(100);
/// How often that time doubles before: only a lease that is given back tells whether another process waits.
const DOUBLINGS: u8 = 4;

/// What a lease is like: it can be handed on to those who asked for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) ttl: Duration,
    pub(crate) fencing: bool,
    pub(crate) keep_alive: bool,
}

/// What bounds how long a lease goes from hand to hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandOverLimit {
    /// Another process was seen to hold or to want the key.
    pub(crate) contended: bool,
    /// The most turns while another process waits.
    turns: u8,
    /// How many leases in a row went from hand to hand here without a sign of another process.
    pub(crate) calm: u8,
}

impl HandOverLimit {
    /// `waiting`: how many waited in this process when the lease was granted. While another process waits, each of them
    /// has one turn, and who comes later waits for the next lease.
    pub(crate) fn new(contended: bool, waiting: usize, calm: u8) -> Self {
        let turns = u8::try_from(waiting.saturating_add(1)).map_or(TURNS, |all| all.min(TURNS));
        Self {
            contended,
            turns,
            calm,
        }
    }

    /// The longest that it goes from hand to hand where nobody else is known to wait.
    fn calm_time(self) -> Duration {
        HAND_OVER_TIME / 2_u32.pow(u32::from(DOUBLINGS.saturating_sub(self.calm)))
    }
}

/// What a turn is like.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HoldTerms {
    pub(crate) max_hold: Option<Duration>,
    pub(crate) at_least: Duration,
}

/// Who comes after a lease in this process.
pub(crate) trait Succession: Send + Sync + fmt::Debug {
    /// Hands the lease to the next who asked for the same, as a turn with the token that is its due. Says whether
    /// there was one.
    fn hand_on(self: Arc<Self>, lease: &Arc<Lease>) -> bool;
    /// Whether another process waits, by what came of the release before.
    fn is_contended(&self, key: &Key) -> bool;
    /// The lease has ended, by this release where it was not lost: the next in line asks the nodes for a lease of its
    /// own. With a `window` the key cools down: nobody in line can have it.
    fn ended(
        self: Arc<Self>,
        lease: &Lease,
        release: Option<&Arc<Round>>,
        window: Option<Duration>,
    );
}

/// One grant. There is one for every lock that is held, so it is kept small.
#[derive(Debug)]
pub(crate) struct Lease {
    core: Arc<Core>,
    /// The lanes that carried the acquire: a release on the same ones comes behind it.
    connections: Arc<ConnectionSet>,
    key: Arc<Key>,
    terms: Terms,
    owner: Owner,
    /// The tokens that the nodes reserved; 0 without fencing.
    first_token: u64,
    last_token: u64,
    granted_at: Instant,
    /// In microseconds of the client's clock; only ever raised.
    valid_until: AtomicU64,
    /// Nodes that may hold the key by the acquire.
    touched: AtomicNodeSet,
    /// And by extensions: those that could be asked.
    extended: AtomicNodeSet,
    rounds: u32,
    state: AtomicU8,
    /// The number of its last visit by the renewal.
    visit: AtomicU32,
    hand_over_limit: HandOverLimit,
    /// When to look next whether a turn has lasted for as long as it may, in microseconds of the client's clock.
    look_at: AtomicU64,
    turns: Mutex<Turns>,
}

#[derive(Debug, Default)]
struct Turns {
    current: Weak<Hold>,
    /// The turn that was lost with the lease, whose key is still to be released: behind its bodies.
    parting: Option<Arc<Hold>>,
    /// The release of a lost lease, once it was sent.
    parted: Option<Arc<Round>>,
    /// Turns so far.
    taken: u32,
    succession: Option<Arc<dyn Succession>>,
}

impl Lease {
    /// A lease in its first turn.
    pub(crate) fn grant(
        core: &Arc<Core>,
        connections: &Arc<ConnectionSet>,
        key: &Arc<Key>,
        terms: Terms,
        grant: &Grant,
        hand_over_limit: HandOverLimit,
    ) -> Arc<Self> {
        let lease = Arc::new(Self {
            core: Arc::clone(core),
            connections: Arc::clone(connections),
            key: Arc::clone(key),
            terms,
            owner: grant.owner,
            first_token: grant.token.unwrap_or(0),
            last_token: grant.last_token(),
            granted_at: core.now(),
            valid_until: AtomicU64::new(0),
            touched: AtomicNodeSet::new(NodeSet::all(core.nodes.len())),
            extended: AtomicNodeSet::new(NodeSet::default()),
            rounds: grant.rounds,
            state: AtomicU8::new(OPEN),
            visit: AtomicU32::new(0),
            hand_over_limit,
            look_at: AtomicU64::new(u64::MAX),
            turns: Mutex::default(),
        });
        lease.raise_validity(grant.started);
        grant.round.observe_late_votes(&lease, grant.earlier);
        lease
    }

    /// Who comes next when this one ends, or should it be handed on.
    pub(crate) fn succeeded_by(&self, succession: Arc<dyn Succession>) {
        lock(&self.turns).succession = Some(succession);
    }

    /// The next turn, unless the lease has ended or its tokens are used up.
    pub(crate) fn turn(self: &Arc<Self>, terms: HoldTerms) -> Option<Arc<Hold>> {
        let mut turns = lock(&self.turns);
        let now = self.core.now();
        // Looked at under the lock that losing takes too: either sees the other.
        if !self.is_open_at(now) && !mutant::on(Mutant::ExpiredGranted) {
            return None;
        }
        let token = if self.terms.fencing {
            let token = self.first_token + u64::from(turns.taken);
            (token <= self.last_token).then(|| FencingToken::new(token))?
        } else {
            FencingToken::NONE
        };
        let hold = Hold::new(self, token, terms, now);
        turns.taken += 1;
        turns.current = Arc::downgrade(&hold);
        Some(hold)
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn key(&self) -> &Arc<Key> {
        &self.key
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// How many rounds the acquire took.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds
    }

    /// The highest token that may have been used; 0 without fencing.
    pub(crate) fn last_token(&self) -> u64 {
        self.last_token
    }

    pub(crate) fn owner(&self) -> &str {
        self.owner.as_str()
    }

    pub(crate) fn hand_over_limit(&self) -> HandOverLimit {
        self.hand_over_limit
    }

    fn token(&self) -> Option<u64> {
        self.terms.fencing.then_some(self.last_token)
    }

    /// Whether the lease holds: neither ended nor out of its validity.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open_at(self.core.now())
    }

    fn is_open_at(&self, now: Instant) -> bool {
        self.state.load(Acquire) == OPEN && now < self.valid_until()
    }

    /// For how much longer the lease keeps others from the key, if it does: as long as it holds, and once it is lost as
    /// long as its body has not stopped.
    pub(crate) fn kept_for(&self) -> Option<Duration> {
        let left = self.remaining();
        let kept = self.state.load(Acquire) == OPEN || self.is_parting();
        (kept && !left.is_zero()).then_some(left)
    }

    /// The release of a lost lease, where it was sent.
    pub(crate) fn parted(&self) -> Option<Arc<Round>> {
        lock(&self.turns).parted.clone()
    }

    fn is_parting(&self) -> bool {
        lock(&self.turns).parting.is_some()
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.valid_until().saturating_since(self.core.now())
    }

    pub(crate) fn lost_error(&self) -> Error {
        let state = self.state.load(Acquire);
        let losses = [
            Loss::Gone,
            Loss::Expired,
            Loss::HeldTooLong,
            Loss::TakenAway,
        ];
        let loss = losses.into_iter().find(|loss| *loss as u8 == state);
        Error::lost(
            self.key.lock(),
            loss.map_or("it was released before", Loss::why),
        )
    }

    /// One extension, to the full ttl. Cancel safe: an extension that was sent may still be carried out.
    pub(crate) async fn extend(self: &Arc<Self>) -> Result<()> {
        self.lapse();
        if !self.is_open() {
            return Err(self.lost_error());
        }
        let nodes = &self.core.nodes;
        let connections = self.core.connections()?;
        let started = self.core.now();
        let round = extend::start(
            nodes,
            &connections,
            &self.key,
            self.owner,
            self.token(),
            self.terms.ttl,
        );
        // A release has to go to these nodes too, but not to one that is known to be down: it would be kept for it.
        self.extended.add(round.with_tally(Tally::touched));
        if self.state.load(SeqCst) != OPEN {
            // Released while the extension was being sent: once more, behind it. What is still to be released is
            // anyway.
            if !self.is_parting() {
                self.send_release(None);
            }
            return Err(self.lost_error());
        }
        let within = self.core.node_timeout(self.terms.ttl).min(self.remaining());
        let decision = round.decided(within).await;
        round.give_up();
        self.lapse();
        let started = if mutant::on(Mutant::CountedFromLastReply) {
            self.core.now()
        } else {
            started
        };
        match decision {
            // Open means that the old validity is not over yet.
            Decision::Won if self.is_open() => {
                self.raise_validity(started);
                Ok(())
            }
            Decision::Gone => {
                self.lose(Loss::Gone);
                Err(self.lost_error())
            }
            _ if !self.is_open() => Err(self.lost_error()),
            _ => {
                let (able, errors) = round.faults(&nodes.states);
                let quorum = nodes.quorum();
                Err(Error::no_quorum(
                    Some(self.key.lock()),
                    able,
                    quorum,
                    errors,
                ))
            }
        }
    }

    /// In which time to look whether something is over: a turn that may not last for longer, or the time for which a lost
    /// lease keeps the key for its body.
    pub(crate) fn look_in(&self) -> Option<Duration> {
        let hold = {
            let turns = lock(&self.turns);
            if turns.parting.is_some() {
                return Some(self.remaining());
            }
            turns.current.upgrade()
        };
        hold.and_then(|hold| hold.ends_in())
    }

    /// Notes that somebody is about to look at `at`, unless somebody looks sooner anyway.
    pub(crate) fn will_be_looked_at(&self, at: Instant) -> bool {
        at.micros() < self.look_at.fetch_min(at.micros(), SeqCst)
    }

    /// Whether the look that was noted for `at` is the next one. From then on none is.
    pub(crate) fn is_looked_at(&self, at: Instant) -> bool {
        let next = self
            .look_at
            .compare_exchange(at.micros(), u64::MAX, SeqCst, SeqCst);
        next.is_ok()
    }

    /// The number of a visit that replaces all before.
    pub(crate) fn next_visit(&self) -> u32 {
        self.visit.fetch_add(1, AcqRel).wrapping_add(1)
    }

    pub(crate) fn is_visit(&self, number: u32) -> bool {
        self.visit.load(Acquire) == number
    }

    /// Whether the runtime that this is called in acquired the lease.
    pub(crate) fn is_at_home(&self) -> bool {
        self.connections.is_current()
    }

    /// Ends what is over. Says whether there is something left to keep alive.
    pub(crate) fn look_after(self: &Arc<Self>) -> bool {
        let hold = lock(&self.turns).current.upgrade();
        if let Some(hold) = hold {
            hold.lapse();
        }
        self.lapse();
        self.is_open()
    }

    /// A lease whose validity is over is lost, whatever Redis would answer.
    pub(crate) fn lapse(self: &Arc<Self>) {
        let state = self.state.load(Acquire);
        if state == RELEASED || self.core.now() < self.valid_until() {
            return;
        }
        if state == OPEN {
            self.lose(Loss::Expired);
        } else {
            self.part();
        }
    }

    /// The nodes were told to forget the key.
    pub(crate) fn taken_away(self: &Arc<Self>) {
        self.lose(Loss::TakenAway);
    }

    /// Ends the lease as lost, and the turn that is on with it, unless it has ended. Final.
    ///
    /// The key is released behind the bodies that run, and at the latest when the validity is over.
    fn lose(self: &Arc<Self>, loss: Loss) {
        if !self.close(loss as u8) {
            return;
        }
        let held = || self.core.now().saturating_since(self.granted_at);
        events::lost(&self.key, self.last_token, loss.why(), held);
        let hold = {
            let mut turns = lock(&self.turns);
            turns.parting = turns.current.upgrade();
            turns.parting.clone()
        };
        let Some(hold) = hold else {
            let release = self.send_release(None);
            lock(&self.turns).parted = release;
            return self.make_way(None, None);
        };
        hold.lost();
        let runs = lock(&hold.bodies).running().is_some();
        if !runs || self.remaining().is_zero() {
            self.part();
        }
    }

    /// Releases a lost lease, once.
    fn part(self: &Arc<Self>) {
        let Some(hold) = lock(&self.turns).parting.take() else {
            return;
        };
        if let Some(body) = lock(&hold.bodies).running() {
            events::body_runs_unlocked(&self.key, body, hold.since_lost());
        }
        let release = self.send_release(hold.rest_of_at_least());
        lock(&self.turns).parted = release;
        // Whether others hold the key, or it cools down, the nodes know.
        self.make_way(None, None);
    }

    /// The turn that was on is over: the lease goes to the next in line, or ends. `None` where nothing was sent.
    fn next(self: &Arc<Self>, may_hand_on: bool, window: Option<Duration>) -> Option<Arc<Round>> {
        if may_hand_on && window.is_none() {
            let succession = lock(&self.turns).succession.clone();
            if let Some(succession) = succession
                && self.can_be_handed_on(|| succession.is_contended(&self.key))
                && succession.hand_on(self)
            {
                return None;
            }
        }
        if !self.close(RELEASED) {
            return None;
        }
        let release = self.send_release(window);
        self.make_way(release.as_ref(), window);
        release
    }

    fn can_be_handed_on(&self, contended: impl FnOnce() -> bool) -> bool {
        let now = self.core.now();
        let held = now.saturating_since(self.granted_at);
        let within_bounds = if self.hand_over_limit.contended || contended() {
            held < HAND_OVER_TIME && lock(&self.turns).taken < u32::from(self.hand_over_limit.turns)
        } else {
            held < self.hand_over_limit.calm_time()
        };
        within_bounds
            && held < self.terms.ttl
            && self.state.load(Acquire) == OPEN
            && self.valid_until().saturating_since(now) >= self.terms.ttl / 2
    }

    /// The line moves on, behind the release.
    fn make_way(&self, release: Option<&Arc<Round>>, window: Option<Duration>) {
        let succession = lock(&self.turns).succession.take();
        if let Some(succession) = succession {
            succession.ended(self, release, window);
        }
    }

    fn close(&self, to: u8) -> bool {
        self.state
            .compare_exchange(OPEN, to, SeqCst, SeqCst)
            .is_ok()
    }

    fn valid_until(&self) -> Instant {
        Instant::from_micros(self.valid_until.load(Acquire))
    }

    /// A majority holds the key for a ttl from `started` on.
    fn raise_validity(&self, started: Instant) {
        let until = started.after(validity::usable(self.terms.ttl));
        self.valid_until.fetch_max(until.micros(), AcqRel);
    }

    /// Gives the key back, or keeps it busy for a window.
    fn send_release(&self, window: Option<Duration>) -> Option<Arc<Round>> {
        let nodes = &self.core.nodes;
        // The runtime of the acquire may have ended, or stand still: the tombstone bars what comes late over its connections.
        let connections = &nodes.connections_for_release(&self.connections);
        let give_back = Release {
            key: Arc::clone(&self.key),
            owner: self.owner,
            token: self.token(),
            touched: self.touched.load().union(self.extended.load()),
        };
        if self.token().is_none()
            && !Arc::ptr_eq(connections, &self.connections)
            && self.connections.is_alive()
        {
            release::behind_the_acquire(nodes, &self.connections, &give_back);
        }
        let tracker = &self.core.tracker;
        Some(match window {
            None => release::release(nodes, connections, tracker, give_back),
            Some(window) => release::cool_down(nodes, connections, tracker, give_back, window),
        })
    }
}

/// Late votes of the winning round narrow what there is to release.
impl LateVoteObserver for Lease {
    fn touched(&self, nodes: NodeSet) {
        self.touched.store(nodes);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // However it went, nobody waits for it any more.
        self.make_way(None, None);
    }
}
