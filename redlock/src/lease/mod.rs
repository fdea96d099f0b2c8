//! A lease: one grant, from the winning round to its end. A hold is one turn in it.

mod hold;

use std::{
    fmt,
    sync::{
        Arc, Mutex, Weak,
        atomic::{
            AtomicBool, AtomicU8, AtomicU64,
            Ordering::{AcqRel, Acquire, SeqCst},
        },
    },
    time::Duration,
};

pub(crate) use hold::{Hold, Unclaimed};

use crate::{
    clock::Instant,
    core::Core,
    error::{Error, Result},
    key::Key,
    mutant::{self, Mutant},
    node::Driver,
    protocol::{
        token::FencingToken,
        validity,
        votes::{Decision, NodeSet, Tally},
    },
    round::{
        Round,
        acquire::Grant,
        extend,
        release::{self, Release},
    },
    sync::lock,
};

const OPEN: u8 = 0;
const RELEASED: u8 = 1;
const LOST: u8 = 2;

/// The most turns of a lease while another process waits for it.
const TURNS: u32 = 16;
/// The longest that a lease goes from hand to hand before it is given back.
const CHAIN: Duration = Duration::from_millis(100);

/// What a lease is like: it can be handed on to those who asked for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) ttl: Duration,
    pub(crate) fencing: bool,
    pub(crate) keep_alive: bool,
}

/// What a turn is like.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HoldTerms {
    pub(crate) max_hold: Option<Duration>,
    pub(crate) at_least: Duration,
}

/// Who comes after a lease in this process. Dropped: the next in line asks the nodes for a lease of its own.
pub(crate) trait Succession: Send + Sync + fmt::Debug {
    /// Hands the lease to the next who asked for the same, as a turn with the token that is its due. Says whether
    /// there was one.
    fn hand_on(&self, lease: &Arc<Lease>) -> bool;
    /// Whether another process waits, by what came of the release before.
    fn is_contended(&self) -> bool;
    /// The release that ends the lease, before the next in line goes to the nodes.
    fn released(&self, release: &Arc<Round>, contended: bool);
}

/// One grant.
#[derive(Debug)]
pub(crate) struct Lease {
    core: Arc<Core>,
    /// The lanes that carried the acquire: a release on the same ones comes behind it.
    driver: Arc<Driver>,
    key: Arc<Key>,
    terms: Terms,
    grant: Grant,
    granted_at: Instant,
    /// Another process was seen to hold or to want the key.
    contended: bool,
    state: AtomicU8,
    /// In microseconds of the client's clock; only ever raised.
    valid_until: AtomicU64,
    extended: AtomicBool,
    why_lost: Mutex<&'static str>,
    turns: Mutex<Turns>,
    succession: Mutex<Option<Arc<dyn Succession>>>,
}

#[derive(Debug, Default)]
struct Turns {
    current: Weak<Hold>,
    /// Turns so far.
    taken: u32,
}

impl Lease {
    /// A lease in its first turn.
    pub(crate) fn grant(
        core: &Arc<Core>,
        driver: &Arc<Driver>,
        key: &Arc<Key>,
        terms: Terms,
        grant: Grant,
        contended: bool,
    ) -> Arc<Self> {
        let lease = Arc::new(Self {
            core: Arc::clone(core),
            driver: Arc::clone(driver),
            key: Arc::clone(key),
            terms,
            granted_at: core.now(),
            contended,
            state: AtomicU8::new(OPEN),
            valid_until: AtomicU64::new(0),
            extended: AtomicBool::new(false),
            why_lost: Mutex::new(""),
            turns: Mutex::default(),
            succession: Mutex::new(None),
            grant,
        });
        lease.raise_validity(lease.grant.started);
        lease
    }

    /// Who comes next, should the lease be handed on.
    pub(crate) fn succeeded_by(&self, succession: Arc<dyn Succession>) {
        *lock(&self.succession) = Some(succession);
    }

    /// The next turn, unless the lease has ended or its tokens are used up.
    pub(crate) fn turn(self: &Arc<Self>, terms: HoldTerms) -> Option<Arc<Hold>> {
        let mut turns = lock(&self.turns);
        // Looked at under the lock that losing takes too: either sees the other.
        if !self.is_open() && !mutant::on(Mutant::ExpiredGranted) {
            return None;
        }
        let token = match self.grant.token {
            Some(first) => {
                let token = first + u64::from(turns.taken);
                (token <= self.grant.last_token()).then(|| FencingToken::new(token))?
            }
            None => FencingToken::NONE,
        };
        let hold = Hold::new(self, token, terms);
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
        self.grant.rounds
    }

    /// The highest token that may have been used.
    pub(crate) fn last_token(&self) -> u64 {
        self.grant.last_token()
    }

    pub(crate) fn owner(&self) -> &str {
        self.grant.owner.as_str()
    }

    /// Whether the lease holds: neither ended nor out of its validity.
    pub(crate) fn is_open(&self) -> bool {
        self.state.load(Acquire) == OPEN && self.core.now() < self.valid_until()
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.valid_until().saturating_since(self.core.now())
    }

    pub(crate) fn lost_error(&self) -> Error {
        Error::lost(self.key.lock(), *lock(&self.why_lost))
    }

    /// One extension, to the full ttl. Cancel safe: an extension that was sent may still be carried out.
    pub(crate) async fn extend(self: &Arc<Self>) -> Result<()> {
        self.lapse();
        if !self.is_open() {
            return Err(self.lost_error());
        }
        let nodes = &self.core.nodes;
        let started = self.core.now();
        // From here on every node may come to hold the key, so a release has to go to all.
        self.extended.store(true, SeqCst);
        let round = extend::start(
            nodes,
            &self.driver,
            &self.key,
            self.grant.owner,
            self.grant.token.map(|_| self.grant.last_token()),
            self.terms.ttl,
        );
        if self.state.load(SeqCst) != OPEN {
            // Released while the extension was being sent: once more, behind it.
            self.send_release(None);
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
                self.lose("a majority of the nodes no longer holds it: it expired, was deleted, or was evicted");
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

    /// When to see after the lease again, at the latest after `at_most`: sooner where its turn is to end.
    pub(crate) fn visit_in(&self, at_most: Duration) -> Duration {
        let hold = lock(&self.turns).current.upgrade();
        hold.map_or(at_most, |hold| hold.remaining().min(at_most))
    }

    /// Ends what is over. Says whether there is something left to keep alive.
    pub(crate) fn look_after(self: &Arc<Self>) -> bool {
        let hold = lock(&self.turns).current.upgrade();
        if let Some(hold) = hold {
            hold.is_open();
        }
        self.lapse();
        self.is_open()
    }

    /// A lease whose validity is over is lost, whatever Redis would answer.
    pub(crate) fn lapse(self: &Arc<Self>) {
        if self.state.load(Acquire) == OPEN && self.core.now() >= self.valid_until() {
            self.lose("its validity is over: it was not extended in time");
        }
    }

    /// Ends the lease as lost, and the turn that is on with it, unless it has ended. Final.
    pub(crate) fn lose(self: &Arc<Self>, why: &'static str) {
        {
            let mut reason = lock(&self.why_lost);
            if !self.close(LOST) {
                return;
            }
            *reason = why;
        }
        tracing::warn!(why, "lock lost");
        tracing::debug!(key = %self.key, token = self.last_token(), "lock lost");
        let hold = lock(&self.turns).current.upgrade();
        let rest = hold.as_ref().and_then(|hold| hold.rest_of_at_least());
        self.send_release(rest);
        if let Some(hold) = hold {
            hold.lost();
        }
        lock(&self.succession).take();
    }

    /// The turn that was on is over: the lease goes to the next in line, or ends. `None` where nothing was sent.
    fn next(self: &Arc<Self>, may_hand_on: bool, window: Option<Duration>) -> Option<Arc<Round>> {
        let succession = lock(&self.succession).clone();
        if let Some(succession) = &succession
            && may_hand_on
            && window.is_none()
            && self.can_be_handed_on(succession.is_contended())
            && succession.hand_on(self)
        {
            return None;
        }
        if !self.close(RELEASED) {
            return None;
        }
        let release = self.send_release(window);
        if let (Some(succession), Some(release)) = (succession, &release) {
            succession.released(release, self.contended || succession.is_contended());
        }
        // With the clone above the last reference: the line moves on, behind the release.
        lock(&self.succession).take();
        release
    }

    fn can_be_handed_on(&self, contended: bool) -> bool {
        let held = self.core.now().saturating_since(self.granted_at);
        self.is_open()
            && self.remaining() >= self.terms.ttl / 2
            && held < self.terms.ttl.min(CHAIN)
            && (!(self.contended || contended) || lock(&self.turns).taken < TURNS)
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
        // Where the runtime of the acquire has ended, another will do: the tombstone bars what comes late.
        let other;
        let driver = if self.driver.is_alive() {
            &self.driver
        } else {
            other = nodes.any_driver()?;
            &other
        };
        let touched = if self.extended.load(SeqCst) {
            NodeSet::all(nodes.len())
        } else {
            let last = self.grant.round.with_tally(Tally::touched);
            self.grant.earlier.union(last)
        };
        let give_back = Release {
            key: Arc::clone(&self.key),
            owner: self.grant.owner,
            token: self.grant.token.map(|_| self.grant.last_token()),
            touched,
            give_up: self.core.now().after(self.terms.ttl),
        };
        let tracker = &self.core.tracker;
        Some(match window {
            None => release::release(nodes, driver, tracker, give_back),
            Some(window) => release::settle(nodes, driver, tracker, give_back, window),
        })
    }
}
