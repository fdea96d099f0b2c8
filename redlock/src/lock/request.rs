//! Requests for a lock: their options, and the checks before anything is sent.

use std::{
    fmt,
    future::IntoFuture,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use crate::{
    acquire::{
        AcquireOptions, AcquireRequest, Begun, acquire_at_once, acquire_hold, acquire_newest,
        acquire_shared, engine::Engine, waiter_limit::WaiterLimit,
    },
    core::in_runtime,
    env::clock::Instant,
    error::{Error, Result},
    events::{lock as events, span::AcquireSpan},
    key::Key,
    lease::Hold,
    lock::{guard::Guard, held::Held, options::LockOptions, reentrancy},
    quorum::token::FencingToken,
};

/// A request for one lock. Await it for a [`Guard`], or [`run`](Self::run) something under the lock.
///
/// # Errors
/// - [`is_busy`](Error::is_busy) if another client holds the lock, and the request does not wait;
/// - [`is_timed_out`](Error::is_timed_out) if another client held it until the wait was over;
/// - [`is_cooling_down`](Error::is_cooling_down) if the key is in a cool-down: at once, also for a request that would wait;
/// - [`is_no_quorum`](Error::is_no_quorum) if too few nodes could vote until the wait was over; at once, after three attempts,
///   if a majority is out of reach for a reason that stays: a login, a missing permission or command;
/// - [`is_expired`](Error::is_expired) if the ttl is too short for the latency of the nodes;
/// - [`is_too_many_waiters`](Error::is_too_many_waiters) if the limit of [`max_waiters`](Self::max_waiters) is reached;
/// - [`is_superseded`](Error::is_superseded) if a newer request was made, see [`newest_wins`](Self::newest_wins);
/// - [`is_already_held`](Error::is_already_held) if this task runs under the lock: inside of [`run`](Self::run), a layer or the
///   attribute. A task that holds a [`Guard`] of it waits for itself;
/// - [`is_invalid`](Error::is_invalid) for an invalid key or duration;
/// - [`is_closed`](Error::is_closed).
///
/// Whatever the error, nothing is left on the nodes: a release follows every command that may have written something.
///
/// # Cancel safety
/// Dropping the future at any point gives up its place in the local queue, and releases in the background a lock that the
/// nodes may have granted.
///
/// A future that was polled and is then kept without being polled, as by a branch of `select!` that awaits something else in
/// its body, keeps its place: like a waiter of tokio's `Mutex`, it holds up those behind it in this process. Drop it, or spawn
/// the request as a task.
///
/// # Examples
/// ```
/// # use redlock::{Redlock, memory::Nodes};
/// # use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
/// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
/// let request = redlock.lock("invoice:42").ttl(Duration::from_secs(5));
/// let guard = request.wait(Duration::from_secs(1)).await?;
/// assert!(redlock.lock("invoice:42").no_wait().await.unwrap_err().is_busy());
/// guard.release().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is awaited or run"]
pub struct LockRequest {
    engine: Arc<Engine>,
    name: String,
    options: LockOptions,
}

impl LockRequest {
    pub(crate) fn new(engine: &Arc<Engine>, name: String) -> Self {
        Self {
            engine: Arc::clone(engine),
            name,
            options: LockOptions::default(),
        }
    }

    /// Replaces all options by `options`. A request for a permit stays one, with its number of permits, and so does one of a
    /// reader or of a writer.
    pub fn options(mut self, options: LockOptions) -> Self {
        self.options = LockOptions {
            permits: self.options.permits.or(options.permits),
            read: self.options.read || options.read,
            write: self.options.write || options.write,
            ..options
        };
        self
    }

    /// The time until other clients get the lock after a crash of this process. While the process runs, the lock is renewed, see
    /// [`keep_alive`](Self::keep_alive). Default: that of the client, 10 s.
    ///
    /// Two thirds of it have to be longer than the longest stall of the runtime and a round trip. Use 1 s or more on a runtime
    /// that never blocks, and three times the longest stall on one that may block.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// How long to wait at most while another client holds the lock, or while there is no quorum.
    /// Default: that of the client, 10 s. Zero: [`no_wait`](Self::no_wait). `Duration::MAX` waits
    /// without limit.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = Some(wait);
        self
    }

    /// Tries without waiting, and fails with [`is_busy`](Error::is_busy) if the lock is held.
    /// Usually one round trip, and at most the node time-out. If several clients try at the same
    /// moment, one of them gets the lock; after a split vote they try again within that time.
    pub fn no_wait(self) -> Self {
        self.wait(Duration::ZERO)
    }

    /// Whether the lock has a fencing token. Default: that of the client.
    pub fn fencing(mut self, on: bool) -> Self {
        self.options.fencing = Some(on);
        self
    }

    /// Whether the lock is renewed in the background, every third of its ttl, until it is released.
    /// Default: on.
    ///
    /// A guard that is forgotten in a long-lived value is renewed for as long as the process lives;
    /// [`max_hold`](Self::max_hold) sets a limit. If off, the lock is lost when its ttl is over,
    /// unless [`extend`](Guard::extend) is called in time.
    pub fn keep_alive(mut self, on: bool) -> Self {
        self.options.keep_alive = on;
        self
    }

    /// Ends the lock as lost this long after the grant, as a limit for bodies that never end and
    /// for forgotten guards. Default: no limit.
    ///
    /// The body of [`run`](Self::run) is dropped before the key is free. A body that does not reach
    /// an await keeps the key for at most the rest of the ttl, and a warning names it.
    pub fn max_hold(mut self, most: Duration) -> Self {
        self.options.max_hold = Some(most);
        self
    }

    /// Keeps the key busy for at least this long after the grant: after an earlier release, it is
    /// in a cool-down for the rest. So a scheduled task does not run twice if clocks differ.
    /// Default: 0.
    ///
    /// A request that arrives during the rest, or waits when it begins, fails at once with
    /// [`is_cooling_down`](Error::is_cooling_down), however long it would wait. To wait for the end
    /// of the window, sleep for [`retry_after`](Error::retry_after) and request the lock again.
    pub fn at_least(mut self, least: Duration) -> Self {
        self.options.at_least = Some(least);
        self
    }

    /// Joins the lock if the current task already runs under it, instead of failing with
    /// [`is_already_held`](Error::is_already_held).
    ///
    /// A joined lock ends with the first guard and has its options. Setting
    /// [`max_hold`](Self::max_hold) or [`at_least`](Self::at_least) as well is an error, whether
    /// there is a lock to join or not. So is [`fencing(true)`](Self::fencing) where the lock to join has no token.
    pub fn reentrant(mut self, on: bool) -> Self {
        self.options.reentrant = on;
        self
    }

    /// Whether a missing quorum is an error after one attempt. Default: off, so the request tries
    /// again until its wait is over, since nodes may come back. In both cases the request waits for
    /// a lock that another client holds.
    pub fn fail_fast(mut self, on: bool) -> Self {
        self.options.fail_fast = on;
        self
    }

    /// Fails with [`is_too_many_waiters`](Error::is_too_many_waiters) instead of waiting, if
    /// `limit` requests already wait. With [`newest_wins`](Self::newest_wins) the number for one key does not count, since
    /// the requests that wait for it leave.
    pub fn max_waiters(mut self, limit: &WaiterLimit) -> Self {
        self.options.max_waiters = Some(limit.clone());
        self
    }

    /// Whether the newest request for the key wins, for autosave and searches: it supersedes the older ones in all
    /// processes. Default: off.
    ///
    /// An older request that waits fails with [`is_superseded`](Error::is_superseded). One that holds the lock loses it: its
    /// body in [`run`](Self::run) is dropped, the key is free once it is, and `run` fails with the same error. Of the bodies
    /// that run to their ends, that of the newest request runs last. A request is newer than those whose announcement had
    /// reached a majority of the nodes before it was made, in any process. A newer request that is given up does not bring
    /// an older one back. All of this is promised while no request waits for longer than the guard time of the
    /// [restart guard](crate::RestartGuard), a little over a minute by default.
    ///
    /// Give it to all requests for the key: one without it neither supersedes another nor is superseded, though they
    /// exclude each other. It needs a wait, in which the older holder stops, and costs two round trips. With
    /// `no_wait`, `fencing(false)`, `reentrant`, `at_least`, or for a permit or a side of a read/write lock it is an error.
    ///
    /// A guard that is not [run](Guard::run) frees the key at once when it is superseded: watch [`lost`](Guard::lost), or
    /// check the token where you write. A body that does not reach an await keeps the key for at most the rest of the ttl.
    /// A lock that was [detached](Guard::detach) is not superseded: newer requests wait until it is released.
    ///
    /// # Examples
    /// ```
    /// # use redlock::{Redlock, memory::Nodes};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
    /// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    /// # async fn store(text: &str) {}
    /// let save = redlock.lock("draft:42").newest_wins(true);
    /// match save.run(async |_| store("the latest text").await).await {
    ///     Ok(()) => {}
    ///     Err(error) if error.is_superseded() => {} // a later edit is stored instead
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(()) }
    /// ```
    pub fn newest_wins(mut self, on: bool) -> Self {
        self.options.newest_wins = on;
        self
    }

    pub(crate) fn permits(mut self, permits: u32) -> Self {
        self.options.permits = Some(permits);
        self
    }

    /// Acquires the lock, runs `body` under it, and releases the lock at the end. The lock is renewed meanwhile, and the body is
    /// cancelled if the lock is lost.
    ///
    /// If the body finished, its value is returned in any case: a release that fails emits an event.
    ///
    /// A body is cancelled at its next await. Tasks that it spawned continue, and so do closures of `spawn_blocking`. Pass a
    /// clone of `held` to blocking work, check it between the steps, and await the work in the body:
    ///
    /// ```
    /// # use redlock::{Redlock, memory::Nodes};
    /// # fn write_page(page: u32) {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
    /// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    /// let written = redlock.lock("export").run(async |held| {
    ///     let held = held.clone();
    ///     let work = tokio::task::spawn_blocking(move || {
    ///         // Stops by itself when the lock is lost; a store that checks `held.token()`
    ///         // refuses what comes late.
    ///         (0..100).take_while(|_| !held.is_lost()).map(write_page).count()
    ///     });
    ///     work.await
    /// }).await?;
    /// # assert_eq!(written.unwrap(), 100); Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of the request; [`is_lost`](Error::is_lost) if the lock was lost before the body finished, and
    /// [`is_superseded`](Error::is_superseded) if a newer request took it. The body was dropped then.
    ///
    /// # Cancel safety
    /// Dropping the future drops the body and releases in the background.
    ///
    /// # Examples
    /// ```
    /// # use redlock::{Redlock, memory::Nodes};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
    /// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    /// let token = redlock.lock("invoice:42").run(async |held| held.token()).await?;
    /// # let _ = token; Ok(()) }
    /// ```
    pub async fn run<F, T>(self, body: F) -> Result<T>
    where
        F: AsyncFnOnce(Held) -> T,
    {
        let guard = self.await?;
        let held = guard.held();
        guard.run(body(held)).await
    }

    /// The place of the request among those for several locks: its key, and the name of its kind.
    pub(super) fn order(&self) -> (&str, &str) {
        let kind = match self.is_for_permit() {
            true => "permit",
            // Options that contradict each other are an error before anything is acquired.
            false => self.options.kind().map_or("", |kind| kind.name()),
        };
        (&self.name, kind)
    }

    pub(super) fn is_for_permit(&self) -> bool {
        self.options.permits.is_some()
    }

    pub(super) fn is_of(&self, engine: &Arc<Engine>) -> bool {
        Arc::ptr_eq(&self.engine, engine)
    }

    /// Whether both requests have the same key, of whatever kinds they are.
    pub(super) fn has_key_of(&self, other: &Self) -> bool {
        self.name == other.name
    }

    /// Whether both requests are for the same lock.
    pub(super) fn is_same_lock(&self, other: &Self) -> bool {
        self.is_of(&other.engine) && self.order() == other.order()
    }

    /// An error if the newest request wins: it would be announced only when the locks before it are held.
    pub(super) fn check_newest_alone(&self) -> Result<()> {
        if !self.options.newest_wins {
            return Ok(());
        }
        Err(Error::invalid_config(format!(
            "{:?} is requested with `newest_wins` among several locks: which request is the newest would depend on the wait for \
             the others. Request it alone, and the others under it",
            self.name
        )))
    }

    /// An error if these requests with the same key can never be granted together.
    pub(super) fn check_beside(&self, other: &Self) -> Result<()> {
        let key = self.engine.core.key(&self.name)?;
        let (kind, others) = (self.options.kind()?, other.options.kind()?);
        let text = if self.is_for_permit() && other.is_for_permit() {
            "a request for several locks has one permit of a semaphore: use `acquire_many` for more, and nothing else with it"
        } else if kind.other_side(&key).as_ref() == Some(&*others.key(key)) {
            "a request for several locks has one side of a read/write lock: leave out the reader, since a writer may read as well"
        } else {
            return Ok(());
        };
        Err(Error::invalid_permits(&self.name, text.to_owned()))
    }

    /// An error if the current task runs under a lock that this request would wait for.
    pub(super) fn check_not_held(&self) -> Result<()> {
        let core = &self.engine.core;
        let (key, kind) = (core.key(&self.name)?, self.options.kind()?);
        if self.is_for_permit() || self.options.reentrant {
            return Ok(());
        }
        let other = kind.other_side(&key);
        let own = kind.key(key);
        match other
            .iter()
            .chain([&*own])
            .any(|key| reentrancy::held(core, key).is_some())
        {
            true => Err(Error::already_held(&self.name)),
            false => Ok(()),
        }
    }

    /// The request with what is `left` of the wait for all, and with the options for `all` that it does not have itself.
    pub(super) fn within_all(mut self, all: &LockOptions, left: Duration) -> Self {
        self.options.wait = Some(left);
        self.options.ttl = self.options.ttl.or(all.ttl);
        self.options.max_hold = self.options.max_hold.or(all.max_hold);
        self
    }

    /// The caller's lock, unless it lacks what this request asks for and its store relies on.
    fn join(&self, hold: Arc<Hold>) -> Result<Guard> {
        if self.options.fencing == Some(true) && hold.token() == FencingToken::NONE {
            return Err(Error::invalid_config(
                "`reentrant` and `fencing(true)` contradict each other here: the lock to join was acquired with `fencing(false)` and \
                 has no token. Leave that out there, or `fencing(true)` here",
            ));
        }
        Ok(Guard::joined(hold))
    }

    /// The checks and the first attempt. `Err`: the request has to wait.
    async fn at_once(&self) -> Result<Result<Guard, Checked>> {
        let core = &self.engine.core;
        core.open(Some(&self.name))?;
        in_runtime()?;
        let key = core.key(&self.name)?;
        let options = self.options.resolve(core)?;
        let permits = self.options.checked_permits(&self.name)?;
        let kind = options.lease.kind;
        let other_side = kind.other_side(&key);
        let key = match permits {
            None => kind.key(key),
            Some(most) => {
                let key = Arc::new(key.permits());
                if !options.wait.is_zero() {
                    reentrancy::check_permits(core, &self.name, &key, most, 1)?;
                }
                key
            }
        };
        if other_side.is_some_and(|other| reentrancy::held(core, &other).is_some()) {
            return Err(Error::already_held(&self.name));
        }
        if let Some(hold) = reentrancy::held(core, &key) {
            return if self.options.reentrant {
                self.join(hold).map(Ok)
            } else {
                Err(Error::already_held(&self.name))
            };
        }
        let since = core.now();
        let request = AcquireRequest {
            engine: &self.engine,
            name: &self.name,
            key: &key,
            permits,
            options: &options,
            since,
        };
        if kind.is_shared() {
            // Boxed, so that the future of an exclusive lock does not grow by it.
            let shared = Box::pin(acquire_shared(&request)).await?;
            return Ok(Ok(Guard::shared(shared)));
        }
        if options.lease.newest_wins {
            let hold = Box::pin(acquire_newest(&request)).await?;
            return Ok(Ok(Guard::new(hold)));
        }
        match acquire_at_once(&request).await? {
            Ok(hold) => Ok(Ok(Guard::new(hold))),
            Err(begun) => Ok(Err(Checked {
                key,
                permits,
                options,
                since,
                begun,
            })),
        }
    }
}

/// A request that has been checked and has to wait.
struct Checked {
    key: Arc<Key>,
    permits: Option<u16>,
    options: AcquireOptions,
    since: Instant,
    begun: Begun,
}

impl Checked {
    async fn wait(&mut self, engine: &Engine, name: &str) -> Result<Guard> {
        let request = AcquireRequest {
            engine,
            name,
            key: &self.key,
            permits: self.permits,
            options: &self.options,
            since: self.since,
        };
        let hold = acquire_hold(&request, &mut self.begun).await?;
        Ok(Guard::new(hold))
    }
}

/// Reports how the request ended.
fn end(name: &str, span: &AcquireSpan, mut acquired: Result<Guard>) -> Result<Guard> {
    match &mut acquired {
        Ok(guard) => {
            span.granted(guard.rounds());
            guard.begin_span();
        }
        Err(error) => {
            span.refused(error);
            events::refused(name, error);
        }
    }
    acquired
}

impl IntoFuture for LockRequest {
    type Output = Result<Guard>;
    type IntoFuture = Acquire;

    fn into_future(self) -> Acquire {
        // Blocks, since an async function keeps an argument twice if it is used after an await.
        Acquire(Box::pin(async move {
            let span = AcquireSpan::begin();
            let mut checked = match span.around(self.at_once()).await {
                Ok(Err(checked)) => checked,
                Ok(Ok(guard)) => return Stage::Ended(end(&self.name, &span, Ok(guard))),
                Err(error) => return Stage::Ended(end(&self.name, &span, Err(error))),
            };
            let Self { engine, name, .. } = self;
            Stage::Waits(Box::pin(async move {
                let acquired = span.around(checked.wait(&engine, &name)).await;
                Stage::Ended(end(&name, &span, acquired))
            }))
        }))
    }
}

/// The future of a [`LockRequest`].
// The first stage has the memory for an attempt, and frees it if the request has to wait.
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire(Pin<Box<dyn Future<Output = Stage> + Send>>);

/// What a part of the future comes to.
enum Stage {
    Ended(Result<Guard>),
    /// The next part takes the place of this one.
    Waits(Pin<Box<dyn Future<Output = Self> + Send>>),
}

impl Future for Acquire {
    type Output = Result<Guard>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match ready!(self.0.as_mut().poll(cx)) {
                Stage::Ended(acquired) => return Poll::Ready(acquired),
                Stage::Waits(next) => self.0 = next,
            }
        }
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").finish_non_exhaustive()
    }
}
