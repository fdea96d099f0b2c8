//! A hold: one use of a lease, behind one guard.

use std::{
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{
            AtomicU64,
            Ordering::{Relaxed, SeqCst},
            fence,
        },
    },
    time::Duration,
};

use tokio::{sync::Notify, task::JoinSet};

use super::{
    HoldOptions, Lease, Window,
    bodies::Bodies,
    state::{Loss, State},
};
use crate::{
    env::{clock::Instant, sync::lock},
    error::Error,
    events::lock as events,
    node::sleep,
    quorum::token::FencingToken,
    round::Round,
};

/// How often a hold that is waited for is checked, at least: timers stop while the machine is suspended, and the validity
/// does not.
const CHECK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Hold {
    pub(super) lease: Arc<Lease>,
    /// Which hold of the lease it is, from 0.
    number: u32,
    started: Instant,
    state: State,
    /// Made when it is first used: most of very many locks that are held at a time have no use for it.
    extras: OnceLock<Box<Extras>>,
}

/// What only some holds need.
#[derive(Debug)]
struct Extras {
    /// When its `max_hold` is over; [`Instant::END`] without one.
    ends: Instant,
    /// When its `at_least` is over; [`Instant::BEGINNING`] without one.
    least: Instant,
    /// The writes of this hold into the register so far.
    writes: AtomicU64,
    bodies: Mutex<Bodies>,
    ended: Notify,
}

impl Default for Extras {
    fn default() -> Self {
        Self {
            ends: Instant::END,
            least: Instant::BEGINNING,
            writes: AtomicU64::new(0),
            bodies: Mutex::default(),
            ended: Notify::new(),
        }
    }
}

impl Extras {
    /// With the limits of a hold that has any.
    fn new(options: HoldOptions, started: Instant) -> OnceLock<Box<Self>> {
        let after = |time| started.after(time);
        let at_least = Some(options.at_least).filter(|least| !least.is_zero());
        if options.max_hold.is_none() && at_least.is_none() {
            return OnceLock::new();
        }
        OnceLock::from(Box::new(Self {
            ends: options.max_hold.map_or(Instant::END, after),
            least: at_least.map_or(Instant::BEGINNING, after),
            ..Self::default()
        }))
    }
}

impl Hold {
    pub(super) fn new(
        lease: &Arc<Lease>,
        number: u32,
        options: HoldOptions,
        started: Instant,
    ) -> Arc<Self> {
        Arc::new(Self {
            lease: Arc::clone(lease),
            number,
            started,
            state: State::open(),
            extras: Extras::new(options, started),
        })
    }

    fn extras(&self) -> &Extras {
        self.extras.get_or_init(Box::default)
    }

    /// The bodies that run under it.
    pub(super) fn bodies(&self) -> &Mutex<Bodies> {
        &self.extras().bodies
    }

    /// The name of the outermost body that runs under it, if there is one.
    pub(super) fn running_body(&self) -> Option<&'static str> {
        let extras = self.extras.get()?;
        lock(&extras.bodies).running()
    }

    /// Wakes those that wait until it has ended.
    fn notify_ended(&self) {
        // Either this sees who waits, or that one sees that the hold has ended: see `ended`.
        fence(SeqCst);
        if let Some(extras) = self.extras.get() {
            extras.ended.notify_waiters();
        }
    }

    pub(crate) fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    pub(crate) fn token(&self) -> FencingToken {
        // There is one: the hold would not have started without.
        let token = self.lease.tokens.load().get(self.number);
        token.unwrap_or(FencingToken::NONE)
    }

    /// Whether the lease should be extended soon, since its tokens become few.
    pub(crate) fn reserves_further_tokens(&self) -> bool {
        self.lease.reserve_further(self.number)
    }

    /// When its `max_hold` is over; [`Instant::END`] without one.
    pub(super) fn ends(&self) -> Instant {
        let extras = self.extras.get();
        extras.map_or(Instant::END, |extras| extras.ends)
    }

    /// How much longer the hold may be relied on; zero when it has ended.
    pub(crate) fn remaining(&self) -> Duration {
        if !self.state.is_open() {
            return Duration::ZERO;
        }
        let most = self.ends().saturating_since(self.lease.core.now());
        self.lease.remaining().min(most)
    }

    /// How much longer the hold may last, if it is open and has a limit.
    pub(super) fn ends_in(&self) -> Option<Duration> {
        let limited = self.ends() != Instant::END && self.state.is_open();
        limited.then(|| self.ends().saturating_since(self.lease.core.now()))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.check_deadlines();
        self.state.is_open()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.check_deadlines();
        self.was_lost()
    }

    /// Whether it was lost to a newer request.
    pub(crate) fn is_superseded(&self) -> bool {
        self.state.loss() == Some(Loss::Superseded)
    }

    /// As [`is_lost`](Self::is_lost), as far as it was noticed.
    pub(super) fn was_lost(&self) -> bool {
        self.state.loss().is_some()
    }

    /// The number of the next write into the register, from 1.
    pub(crate) fn next_write(&self) -> u64 {
        self.extras().writes.fetch_add(1, Relaxed) + 1
    }

    pub(crate) fn lost_error(&self) -> Error {
        if self.state.is_released() {
            Error::lost(self.lease.key().given(), "it was released before")
        } else {
            self.lease.lost_error()
        }
    }

    /// One extension of the lease, to its full ttl. Cancel safe: an extension that was sent may still be executed.
    pub(crate) async fn extend(&self) -> Result<(), Error> {
        if !self.is_open() {
            return Err(self.lost_error());
        }
        self.lease.extend().await
    }

    /// Resolves when the hold has ended, lost or released: at the latest when its validity is over. Cancel safe.
    pub(crate) async fn ended(self: Arc<Self>) {
        // A runtime to which a guard has moved renews the lock from now on, since that of the acquire may end or may have ended.
        if !self.lease.is_of_current_runtime() {
            // An error means that this one cannot: the others do.
            let _ = self.lease.core.connections();
        }
        let mut elsewhere = None;
        loop {
            let ended = self.extras().ended.notified();
            tokio::pin!(ended);
            // Registered before the check, so that no wake-up is missed in between.
            ended.as_mut().enable();
            fence(SeqCst);
            if !self.is_open() {
                return;
            }
            let check_in = self.remaining().min(CHECK);
            let Some(check) = sleep(check_in) else {
                // Without timers here, the other runtimes of the client check.
                elsewhere.get_or_insert_with(|| self.watched_elsewhere());
                ended.await;
                continue;
            };
            tokio::select! {
                biased;
                () = ended => {}
                () = check => {}
            }
        }
    }

    /// A task in each runtime of the client that ends the hold when its validity is over. They end when this is dropped.
    fn watched_elsewhere(self: &Arc<Self>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for runtime in self.lease.core.connection_sets.runtimes() {
            tasks.spawn_on(Self::watch(Arc::downgrade(self)), &runtime);
        }
        tasks
    }

    async fn watch(hold: Weak<Self>) {
        let left = || {
            let hold = hold.upgrade().filter(|hold| hold.is_open())?;
            Some(hold.remaining().min(CHECK))
        };
        while let Some(timer) = left().and_then(sleep) {
            timer.await;
        }
    }

    /// Ends the hold, at once and without waiting. Returns the release, if one was sent.
    ///
    /// The key stays busy for the `window`, and for the rest of `at_least` if that is longer and the window is not zero. Without
    /// both, the lease may be handed over to the next local waiter, if the hold `ended_well`.
    pub(crate) fn release(
        &self,
        window: Window,
        ended_well: bool,
    ) -> Result<Option<Arc<Round>>, AlreadyEnded> {
        let rest = self.rest_of_at_least();
        let window = match window {
            Window::RestOfAtLeast => rest,
            Window::Zero => None,
            Window::CoolDown(window) => Some(window).max(rest),
        };
        self.end(window, ended_well)
    }

    fn end(
        &self,
        window: Option<Duration>,
        ended_well: bool,
    ) -> Result<Option<Arc<Round>>, AlreadyEnded> {
        self.check_deadlines();
        if !self.state.release() {
            return Err(AlreadyEnded);
        }
        self.notify_ended();
        let held = || self.lease.core.now().saturating_since(self.started);
        let left = || self.lease.remaining();
        events::released(self.lease.key(), self.token().get(), held, left, window);
        Ok(self.lease.end_hold(ended_well, window))
    }

    /// Ends the hold, with nothing sent. `false` if it had ended before.
    pub(super) fn end_detached(&self) -> bool {
        self.check_deadlines();
        let ended = self.state.release();
        if ended {
            self.notify_ended();
        }
        ended
    }

    /// The lease is lost, and the hold with it.
    pub(super) fn lose(&self, loss: Loss) {
        if self.state.lose(loss) {
            self.notify_ended();
        }
    }

    pub(super) fn rest_of_at_least(&self) -> Option<Duration> {
        let least = self.extras.get()?.least;
        let rest = least.saturating_since(self.lease.core.now());
        (!rest.is_zero()).then_some(rest)
    }

    /// A hold past its `max_hold` is lost, and its lease with it: its body may still be at work.
    pub(super) fn check_deadlines(&self) {
        if !self.state.is_open() {
            return;
        }
        let ends = self.ends();
        if ends != Instant::END && self.lease.core.now() >= ends {
            self.lease.lose(Loss::HeldTooLong);
        } else {
            self.lease.check_validity();
        }
    }
}

/// The hold had ended before.
#[derive(Debug)]
pub(crate) struct AlreadyEnded;

/// A hold on its way to the next local waiter. If it is dropped there, it is released at once, whatever its `at_least`: no work
/// was done under it.
#[derive(Debug)]
pub(crate) struct HandedOver(Option<Arc<Hold>>);

impl HandedOver {
    pub(crate) fn new(hold: Arc<Hold>) -> Self {
        Self(Some(hold))
    }

    /// `None` if the hold has ended on the way.
    pub(crate) fn claim(mut self) -> Option<Arc<Hold>> {
        self.0.take().filter(|hold| hold.is_open())
    }
}

impl Drop for HandedOver {
    fn drop(&mut self) {
        if let Some(hold) = self.0.take() {
            // An error means that it has ended.
            let _ = hold.end(None, true);
        }
    }
}
