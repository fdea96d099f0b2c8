//! A lease: one grant, from the winning round to its end. A guard is one turn in it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicU8, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    client::Core,
    clock::Instant,
    error::{Error, Result},
    key::Key,
    node::Driver,
    protocol::{
        token::FencingToken,
        validity,
        votes::{Decision, NodeSet, Tally},
    },
    queue::Turn,
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

/// How a holder wants its lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) ttl: Duration,
    pub(crate) keep_alive: bool,
    pub(crate) max_hold: Option<Duration>,
    pub(crate) at_least: Duration,
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
    state: AtomicU8,
    /// In microseconds of the client's clock; only ever raised.
    valid_until: AtomicU64,
    extended: AtomicBool,
    why_lost: Mutex<&'static str>,
    ended: Notify,
    turn: Mutex<Option<Turn>>,
}

impl Lease {
    pub(crate) fn new(
        core: &Arc<Core>,
        driver: &Arc<Driver>,
        key: &Arc<Key>,
        terms: Terms,
        grant: Grant,
        turn: Turn,
    ) -> Arc<Self> {
        let granted_at = core.now();
        let lease = Arc::new(Self {
            core: Arc::clone(core),
            driver: Arc::clone(driver),
            key: Arc::clone(key),
            terms,
            state: AtomicU8::new(OPEN),
            valid_until: AtomicU64::new(0),
            extended: AtomicBool::new(false),
            why_lost: Mutex::new(""),
            ended: Notify::new(),
            turn: Mutex::new(None),
            granted_at,
            grant,
        });
        lease.raise_validity(lease.grant.started);
        turn.granted(&lease);
        *lock(&lease.turn) = Some(turn);
        lease
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

    pub(crate) fn token(&self) -> FencingToken {
        self.grant
            .token
            .map_or(FencingToken::NONE, FencingToken::new)
    }

    /// How many rounds the acquire took.
    pub(crate) fn rounds(&self) -> u32 {
        self.grant.rounds
    }

    /// What is left of the validity; zero when the lease has ended.
    pub(crate) fn remaining(&self) -> Duration {
        if self.state.load(Acquire) == OPEN {
            self.valid_until().saturating_since(self.core.now())
        } else {
            Duration::ZERO
        }
    }

    pub(crate) fn is_open(self: &Arc<Self>) -> bool {
        self.lapse();
        self.state.load(Acquire) == OPEN
    }

    pub(crate) fn is_lost(self: &Arc<Self>) -> bool {
        self.lapse();
        self.state.load(Acquire) == LOST
    }

    pub(crate) fn lost_error(&self) -> Error {
        Error::lost(self.key.lock(), *lock(&self.why_lost))
    }

    /// Resolves when the lease has ended, lost or released: at the latest when its validity is over.
    pub(crate) async fn ended(self: Arc<Self>) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Registered before the look, so that no wake-up is missed in between.
            ended.as_mut().enable();
            if !self.is_open() {
                return;
            }
            // Timers stop while the machine sleeps, the validity does not: look now and then.
            let look_again = self.remaining().min(Duration::from_secs(1));
            tokio::select! {
                biased;
                () = ended => {}
                () = tokio::time::sleep(look_again) => {}
            }
        }
    }

    /// One extension, to the full ttl. Cancel safe: an extension that was sent may still be carried out.
    pub(crate) async fn extend(self: &Arc<Self>) -> Result<()> {
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
            self.grant.token,
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
                Err(Error::no_quorum(
                    Some(self.key.lock()),
                    able,
                    nodes.quorum(),
                    errors,
                ))
            }
        }
    }

    /// Ends the lease as lost, unless it has ended. Final.
    pub(crate) fn lose(self: &Arc<Self>, why: &'static str) {
        {
            let mut reason = lock(&self.why_lost);
            if self
                .state
                .compare_exchange(OPEN, LOST, SeqCst, SeqCst)
                .is_err()
            {
                return;
            }
            *reason = why;
        }
        tracing::warn!(why, "lock lost");
        tracing::debug!(key = %self.key, token = self.token().get(), "lock lost");
        let rest = self.rest_of_at_least();
        self.send_release(rest);
        self.finish();
    }

    /// Ends the lease as released, at once and without waiting. `None` if it had ended before.
    ///
    /// With a `window` the key stays busy for it; without one it does for what is left of `at_least`.
    pub(crate) fn release(self: &Arc<Self>, window: Option<Duration>) -> Option<Arc<Round>> {
        self.lapse();
        self.state
            .compare_exchange(OPEN, RELEASED, SeqCst, SeqCst)
            .ok()?;
        let window = window.or_else(|| self.rest_of_at_least());
        let round = self.send_release(window);
        self.finish();
        round
    }

    pub(crate) fn owner(&self) -> &str {
        self.grant.owner.as_str()
    }

    fn rest_of_at_least(&self) -> Option<Duration> {
        let held = self.core.now().saturating_since(self.granted_at);
        let rest = self.terms.at_least.saturating_sub(held);
        (!rest.is_zero()).then_some(rest)
    }

    fn valid_until(&self) -> Instant {
        Instant::from_micros(self.valid_until.load(Acquire))
    }

    /// A lease whose validity is over is lost, whatever Redis would answer.
    fn lapse(self: &Arc<Self>) {
        if self.state.load(Acquire) == OPEN && self.core.now() >= self.valid_until() {
            let held_out = self
                .hold_until()
                .is_some_and(|until| self.core.now() >= until);
            self.lose(if held_out {
                "its maximum hold time is over"
            } else {
                "its validity is over: it was not extended in time"
            });
        }
    }

    fn hold_until(&self) -> Option<Instant> {
        self.terms.max_hold.map(|hold| self.granted_at.after(hold))
    }

    /// A majority holds the key for a ttl from `started` on.
    fn raise_validity(&self, started: Instant) {
        let until = started.after(validity::usable(self.terms.ttl));
        let until = self.hold_until().map_or(until, |hold| hold.min(until));
        self.valid_until.fetch_max(until.micros(), AcqRel);
    }

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
        let all = NodeSet::all(nodes.len());
        let touched = if self.extended.load(SeqCst) {
            all
        } else {
            self.grant
                .earlier
                .union(self.grant.round.with_tally(Tally::touched))
        };
        let give_back = Release {
            key: Arc::clone(&self.key),
            owner: self.grant.owner,
            token: self.grant.token,
            touched,
            give_up: self.core.now().after(self.terms.ttl),
        };
        Some(match window {
            None => release::release(nodes, driver, &self.core.tracker, give_back),
            Some(window) => release::settle(nodes, driver, &self.core.tracker, give_back, window),
        })
    }

    /// Tells all who wait, and passes the turn on: behind the release.
    fn finish(&self) {
        self.ended.notify_waiters();
        let turn = lock(&self.turn).take();
        drop(turn);
        let held = self.core.now().saturating_since(self.granted_at);
        tracing::trace!(key = %self.key, ?held, extended = self.extended.load(Relaxed), "lease ended");
    }
}
