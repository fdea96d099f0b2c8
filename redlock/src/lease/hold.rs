//! A hold: one turn in a lease, as one guard has it.

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{
            AtomicU8, AtomicU64,
            Ordering::{Acquire, Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use tokio::{sync::Notify, task::JoinSet};

use super::{HoldTerms, LOST, Lease, Loss, OPEN, RELEASED, body::Bodies};
use crate::{
    env::clock::Instant,
    error::Error,
    events::lock as events,
    mutant::{self, Mutant},
    node::sleep,
    quorum::token::FencingToken,
    round::Round,
};

/// Timers stop while the machine sleeps, and the validity does not: who waits for the end looks this often.
const LOOK: Duration = Duration::from_secs(1);

/// One turn.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(super) lease: Arc<Lease>,
    token: FencingToken,
    begun: Instant,
    /// When it has lasted for as long as it may.
    ends: Instant,
    /// When it has lasted for as long as it should.
    least: Instant,
    state: AtomicU8,
    /// When it was lost, in microseconds of the client's clock.
    lost_at: AtomicU64,
    pub(super) bodies: Mutex<Bodies>,
    ended: Notify,
}

impl Hold {
    pub(super) fn new(
        lease: &Arc<Lease>,
        token: FencingToken,
        terms: HoldTerms,
        begun: Instant,
    ) -> Arc<Self> {
        let after = |time| begun.after(time);
        let at_least = Some(terms.at_least).filter(|least| !least.is_zero());
        Arc::new(Self {
            lease: Arc::clone(lease),
            token,
            begun,
            ends: terms.max_hold.map_or(Instant::END, after),
            least: at_least.map_or(Instant::BEGINNING, after),
            state: AtomicU8::new(OPEN),
            lost_at: AtomicU64::new(0),
            bodies: Mutex::default(),
            ended: Notify::new(),
        })
    }

    pub(crate) fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    pub(crate) fn token(&self) -> FencingToken {
        self.token
    }

    /// How much longer the turn may be relied on; zero when it has ended.
    pub(crate) fn remaining(&self) -> Duration {
        if self.state.load(Acquire) != OPEN {
            return Duration::ZERO;
        }
        let most = self.ends.saturating_since(self.lease.core.now());
        self.lease.remaining().min(most)
    }

    /// How long the turn may last yet, where that is limited and it has not ended.
    pub(super) fn ends_in(&self) -> Option<Duration> {
        let limited = self.ends != Instant::END && self.is(OPEN);
        limited.then(|| self.ends.saturating_since(self.lease.core.now()))
    }

    pub(super) fn is(&self, state: u8) -> bool {
        self.state.load(SeqCst) == state
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lapse();
        self.state.load(Acquire) == OPEN
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lapse();
        self.state.load(Acquire) == LOST
    }

    pub(crate) fn lost_error(&self) -> Error {
        match self.state.load(Acquire) {
            RELEASED => Error::lost(self.lease.key().lock(), "it was released before"),
            _ => self.lease.lost_error(),
        }
    }

    /// One extension of the lease, to its full ttl. Cancel safe: what was sent may still be carried out.
    pub(crate) async fn extend(&self) -> Result<(), Error> {
        if !self.is_open() {
            return Err(self.lost_error());
        }
        self.lease.extend().await
    }

    /// Resolves when the turn has ended, lost or released: at the latest when its validity is over.
    pub(crate) async fn ended(self: Arc<Self>) {
        let mut elsewhere = None;
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Registered before the look, so that no wake-up is missed in between.
            ended.as_mut().enable();
            if !self.is_open() {
                return;
            }
            let look_again = if mutant::on(Mutant::LostUntold) {
                Duration::MAX
            } else {
                self.remaining().min(LOOK)
            };
            let Some(look_again) = sleep(look_again) else {
                // Without timers here, the other runtimes of the client look.
                elsewhere.get_or_insert_with(|| self.watched_elsewhere());
                ended.await;
                continue;
            };
            tokio::select! {
                biased;
                () = ended => {}
                () = look_again => {}
            }
        }
    }

    /// A task in each runtime of the client that ends the turn when its validity is over. They end when this is dropped.
    fn watched_elsewhere(self: &Arc<Self>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for runtime in self.lease.core.nodes.runtimes() {
            tasks.spawn_on(Self::watch(Arc::downgrade(self)), &runtime);
        }
        tasks
    }

    async fn watch(hold: Weak<Self>) {
        let left = || {
            let hold = hold.upgrade().filter(|hold| hold.is_open())?;
            Some(hold.remaining().min(LOOK))
        };
        while let Some(timer) = left().and_then(sleep) {
            timer.await;
        }
    }

    /// Ends the turn, at once and without waiting: `Err` if it had ended before, and the release where one was sent.
    ///
    /// With a `window` the key stays busy for it; without one it does for what is left of `at_least`. Otherwise the
    /// lease may go to the next in line, unless the turn did not end well.
    pub(crate) fn release(
        &self,
        window: Option<Duration>,
        ended_well: bool,
    ) -> Result<Option<Arc<Round>>, Over> {
        self.lapse();
        if !self.close(RELEASED) {
            return Err(Over);
        }
        self.ended.notify_waiters();
        let window = window.or_else(|| self.rest_of_at_least());
        let held = || self.lease.core.now().saturating_since(self.begun);
        events::released(self.lease.key(), self.token.get(), held, window);
        Ok(self.lease.next(ended_well, window))
    }

    /// The lease is lost, and the turn with it.
    pub(super) fn lost(&self) {
        // It may be noticed only later.
        let lost_at = self.lease.core.now().min(self.ends);
        let lost_at = lost_at.min(self.lease.valid_until());
        self.lost_at.store(lost_at.micros(), Relaxed);
        if self.close(LOST) {
            self.ended.notify_waiters();
        }
    }

    pub(super) fn since_lost(&self) -> Duration {
        let lost_at = Instant::from_micros(self.lost_at.load(Relaxed));
        self.lease.core.now().saturating_since(lost_at)
    }

    pub(super) fn rest_of_at_least(&self) -> Option<Duration> {
        if self.least == Instant::BEGINNING {
            return None;
        }
        let rest = self.least.saturating_since(self.lease.core.now());
        (!rest.is_zero()).then_some(rest)
    }

    /// A turn whose time is over is lost, and its lease with it: whoever holds it may still be at work.
    pub(super) fn lapse(&self) {
        if self.state.load(Acquire) != OPEN {
            return;
        }
        if self.ends != Instant::END && self.lease.core.now() >= self.ends {
            self.lease.lose(Loss::HeldTooLong);
        } else {
            self.lease.lapse();
        }
    }

    fn close(&self, to: u8) -> bool {
        self.state
            .compare_exchange(OPEN, to, SeqCst, SeqCst)
            .is_ok()
    }
}

/// A turn had ended before.
#[derive(Debug)]
pub(crate) struct Over;

/// A turn on its way to the next in line. Dropped on the way: it is released, so that nobody waits for it.
#[derive(Debug)]
pub(crate) struct Unclaimed(Option<Arc<Hold>>);

impl Unclaimed {
    pub(crate) fn new(hold: Arc<Hold>) -> Self {
        Self(Some(hold))
    }

    /// The turn, unless it came too late: then nothing may be left of the lease, and another may have the lock.
    pub(crate) fn claim(mut self) -> Option<Arc<Hold>> {
        self.0.take().filter(|hold| hold.is_open())
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(hold) = self.0.take() {
            // Over already is as good.
            let _ = hold.release(None, true);
        }
    }
}
