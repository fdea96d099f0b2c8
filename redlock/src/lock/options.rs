//! The options of a lock: one value from the request, the layer and the attribute to the acquire
//! loop.

use std::time::Duration;

use crate::{
    acquire::{AcquireOptions, waiter_limit::WaiterLimit},
    config::{self, MIN_DURATION, check_ttl},
    core::Core,
    error::{Error, Result},
    lease::{HoldOptions, LeaseOptions},
    lock_kind::{
        Kind,
        exclusive::EXCLUSIVE,
        read_write::{READ, WRITE},
    },
};

/// The most permits of a semaphore: a look at it reads the key of each.
const MAX_PERMITS: u16 = 1_000;

/// The options of a lock request, to be kept and used for many requests.
///
/// Each option has the name and the meaning of the method of [`LockRequest`](crate::LockRequest) that sets it, of the
/// layer's method and of the attribute's argument. `None` stands for the default of the client.
///
/// # Examples
/// ```
/// # use redlock::{LockOptions, Redlock, memory::Nodes};
/// # use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
/// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
/// let mut options = LockOptions::default();
/// options.ttl = Some(Duration::from_secs(5));
/// options.wait = Some(Duration::ZERO);
/// let guard = redlock.lock("invoice:42").options(options.clone()).await?;
/// assert!(redlock.lock("invoice:42").options(options).await.unwrap_err().is_busy());
/// # drop(guard); Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LockOptions {
    /// See [`LockRequest::ttl`](crate::LockRequest::ttl).
    pub ttl: Option<Duration>,
    /// See [`LockRequest::wait`](crate::LockRequest::wait). Zero is [`no_wait`](crate::LockRequest::no_wait).
    pub wait: Option<Duration>,
    /// See [`LockRequest::fencing`](crate::LockRequest::fencing).
    pub fencing: Option<bool>,
    /// See [`LockRequest::keep_alive`](crate::LockRequest::keep_alive).
    pub keep_alive: bool,
    /// See [`LockRequest::max_hold`](crate::LockRequest::max_hold).
    pub max_hold: Option<Duration>,
    /// See [`LockRequest::at_least`](crate::LockRequest::at_least).
    pub at_least: Option<Duration>,
    /// The cool-down that the holder will leave with [`Guard::cool_down`](crate::Guard::cool_down).
    /// It is only checked here, so that an invalid window is an error before the lock is acquired
    /// and not after the work is done.
    pub dedupe_for: Option<Duration>,
    /// See [`LockRequest::reentrant`](crate::LockRequest::reentrant).
    pub reentrant: bool,
    /// See [`LockRequest::fail_fast`](crate::LockRequest::fail_fast).
    pub fail_fast: bool,
    /// See [`LockRequest::max_waiters`](crate::LockRequest::max_waiters).
    pub max_waiters: Option<WaiterLimit>,
    /// One of so many permits, as by [`Redlock::semaphore`](crate::Redlock::semaphore). Default: a lock.
    pub permits: Option<u32>,
    /// Reads, as by [`RwLock::read`](crate::RwLock::read): many hold the lock at a time, while nobody writes. Default: an
    /// exclusive lock.
    pub read: bool,
    /// Writes, as by [`RwLock::write`](crate::RwLock::write): keeps out readers and writers. Default: an exclusive lock,
    /// which shares nothing with readers.
    pub write: bool,
    /// See [`LockRequest::newest_wins`](crate::LockRequest::newest_wins).
    pub newest_wins: bool,
}

/// An option that chooses a kind of lock.
struct KindOption {
    option: &'static str,
    is_given: bool,
    kind: Kind,
    /// Why the newest request cannot win a lock of this kind.
    why_not_newest: &'static str,
}

impl Default for LockOptions {
    fn default() -> Self {
        Self {
            ttl: None,
            wait: None,
            fencing: None,
            keep_alive: true,
            max_hold: None,
            at_least: None,
            dedupe_for: None,
            reentrant: false,
            fail_fast: false,
            max_waiters: None,
            permits: None,
            read: false,
            write: false,
            newest_wins: false,
        }
    }
}

impl LockOptions {
    /// The options with the client's defaults. An error for an invalid duration, and for options
    /// that contradict each other.
    pub(crate) fn resolve(&self, core: &Core) -> Result<AcquireOptions> {
        // All of them by name: a new option that has no effect here does not compile.
        let Self {
            ttl,
            wait,
            fencing,
            keep_alive,
            max_hold,
            at_least,
            dedupe_for,
            reentrant,
            fail_fast,
            max_waiters,
            // Decides the key, before this: see `checked_permits`.
            permits: _,
            // See `kinds`.
            read: _,
            write: _,
            newest_wins,
        } = self;
        let defaults = &core.defaults;
        let ttl = ttl.unwrap_or(defaults.ttl);
        check_ttl(ttl, core.nodes.max_ttl)?;
        let hold = HoldOptions {
            max_hold: *max_hold,
            at_least: at_least.unwrap_or_default(),
        };
        check_hold(hold, *dedupe_for)?;
        if *reentrant {
            self.can_be_joined()?;
        }
        if *newest_wins {
            self.can_be_superseded(core)?;
        }
        let kind = self.kind()?;
        Ok(AcquireOptions {
            lease: LeaseOptions {
                kind,
                ttl,
                fencing: kind.needs_fencing() || fencing.unwrap_or(defaults.fencing),
                keep_alive: *keep_alive,
                newest_wins: *newest_wins,
            },
            hold,
            wait: wait.unwrap_or(defaults.wait),
            fail_fast: *fail_fast,
            max_waiters: max_waiters.clone(),
        })
    }

    /// The kind of lock, or why the options contradict each other.
    pub(super) fn kind(&self) -> Result<Kind> {
        let kinds = self.kinds();
        let mut given = kinds.iter().filter(|kind| kind.is_given);
        let Some(chosen) = given.next() else {
            return Ok(&EXCLUSIVE);
        };
        if let Some(other) = given.next() {
            let hint = match self.read && self.write {
                true => ". A writer may read as well",
                false => "",
            };
            return Err(Error::invalid_config(format!(
                "`{}` and `{}` contradict each other: leave one of them out{hint}",
                chosen.option, other.option
            )));
        }
        let (option, kind) = (chosen.option, chosen.kind);
        let at_the_end = "nobody has to be kept out after a reader";
        let contradicting = [
            (
                "permits",
                self.permits.is_some(),
                "a semaphore has no sides",
            ),
            (
                "fencing(false)",
                kind.needs_fencing() && self.fencing == Some(false),
                "the sides keep each other out by their tokens too",
            ),
            (
                "dedupe_for",
                kind.is_shared() && self.dedupe_for.is_some(),
                at_the_end,
            ),
            (
                "at_least",
                kind.is_shared() && self.at_least.is_some_and(|least| !least.is_zero()),
                at_the_end,
            ),
        ];
        match contradicting.iter().find(|(_, given, _)| *given) {
            None => Ok(kind),
            Some((other, _, why)) => Err(Error::invalid_config(format!(
                "`{option}` and `{other}` contradict each other: {why}. Leave one of them out"
            ))),
        }
    }

    /// The kinds of lock beside the exclusive one, each with the option that chooses it.
    fn kinds(&self) -> [KindOption; 2] {
        [
            KindOption {
                option: "read",
                is_given: self.read,
                kind: &READ,
                why_not_newest: "readers run beside each other",
            },
            KindOption {
                option: "write",
                is_given: self.write,
                kind: &WRITE,
                why_not_newest: "readers are not superseded",
            },
        ]
    }

    /// How many permits the semaphore `name` has; `None` for a lock.
    pub(crate) fn checked_permits(&self, name: &str) -> Result<Option<u16>> {
        let Some(permits) = self.permits else {
            return Ok(None);
        };
        let contradicting = [
            ("dedupe_for", self.dedupe_for.is_some()),
            ("reentrant", self.reentrant),
        ];
        if let Some((option, _)) = contradicting.iter().find(|(_, given)| *given) {
            return Err(Error::invalid_config(format!(
                "`permits` and `{option}` contradict each other: another permit may be free. Leave one of them out, or take a lock"
            )));
        }
        let short = u16::try_from(permits).ok();
        let allowed = short.filter(|permits| (1..=MAX_PERMITS).contains(permits));
        if allowed.is_none() {
            return Err(Error::invalid_permits(
                name,
                format!("a semaphore has 1 to {MAX_PERMITS} permits, not {permits}"),
            ));
        }
        Ok(allowed)
    }

    pub(crate) fn wait(&self, core: &Core) -> Duration {
        self.wait.unwrap_or(core.defaults.wait)
    }

    /// The newest request always gets the lock, after all others.
    fn can_be_superseded(&self, core: &Core) -> Result<()> {
        let contradicting = [
            (
                "no_wait",
                self.wait == Some(Duration::ZERO),
                "the holder has to stop first",
            ),
            (
                "fencing(false)",
                self.fencing == Some(false),
                "requests are ordered by their tokens",
            ),
            (
                "permits",
                self.permits.is_some(),
                "a semaphore has several holders",
            ),
            ("reentrant", self.reentrant, "a joined lock is the caller's"),
            (
                "dedupe_for",
                self.dedupe_for.is_some(),
                "a cool-down refuses the newest request",
            ),
            (
                "at_least",
                self.at_least.is_some_and(|least| !least.is_zero()),
                "it keeps the newest request out",
            ),
        ];
        let kinds = self.kinds();
        let kinds = kinds.iter();
        let kinds = kinds.map(|kind| (kind.option, kind.is_given, kind.why_not_newest));
        let mut contradicting = contradicting.into_iter().chain(kinds);
        if let Some((option, _, why)) = contradicting.find(|(_, given, _)| *given) {
            return Err(Error::invalid_config(format!(
                "`newest_wins` and `{option}` contradict each other: {why}. Leave one of them out"
            )));
        }
        self.defaults_allow_the_newest(core)
    }

    /// The defaults of the client, for the options that are not given.
    fn defaults_allow_the_newest(&self, core: &Core) -> Result<()> {
        if self.wait(core).is_zero() {
            return Err(Error::invalid_config(
                "`newest_wins` has to wait until the holder has stopped, and the client's default is not to wait \
                 (`Builder::wait`, REDLOCK_WAIT): give the request a `wait`",
            ));
        }
        if !self.fencing.unwrap_or(core.defaults.fencing) {
            return Err(Error::invalid_config(
                "`newest_wins` orders requests by their tokens, and the client's default is none (`Builder::fencing`, \
                 REDLOCK_FENCING): give the request `fencing(true)`",
            ));
        }
        Ok(())
    }

    /// A joined lock ends with the first guard, so options about its end have no effect.
    fn can_be_joined(&self) -> Result<()> {
        let at_the_end = [
            ("max_hold", self.max_hold.is_some()),
            (
                "at_least",
                self.at_least.is_some_and(|least| !least.is_zero()),
            ),
            ("dedupe_for", self.dedupe_for.is_some()),
        ];
        match at_the_end.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((option, _)) => Err(Error::invalid_config(format!(
                "`reentrant` and `{option}` contradict each other: a lock that is joined belongs to the caller, and does \
                 not end in here. Give `{option}` to the caller's request, or leave `reentrant` out"
            ))),
        }
    }
}

fn check_hold(hold: HoldOptions, dedupe_for: Option<Duration>) -> Result<()> {
    if let Some(most) = hold.max_hold {
        if most.is_zero() {
            return Err(Error::invalid_ttl(
                "a max_hold of 0 holds nothing: give the longest time that the body may take"
                    .to_owned(),
            ));
        }
        config::check(
            "a max_hold",
            most,
            MIN_DURATION,
            "leave it out for no limit",
        )?;
    }
    if !hold.at_least.is_zero() {
        let remedy = "remember for longer in a database what was done";
        config::check("an at_least", hold.at_least, MIN_DURATION, remedy)?;
    }
    match dedupe_for {
        Some(window) => config::check_window(window),
        None => Ok(()),
    }
}
