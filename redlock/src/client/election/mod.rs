//! Leader election: the exclusive lock with a wait that has no end.

pub(crate) mod leaders;

use std::{fmt, time::Duration};

use self::leaders::Leaders;
use crate::{
    client::Redlock,
    error::Result,
    events::lock as events,
    lock::{
        guard::Guard,
        held::{Held, Lost},
        options::LockOptions,
    },
    quorum::token::FencingToken,
};

impl Redlock {
    /// An election among all that campaign for `key`: one of them leads, until it resigns or is lost.
    ///
    /// An invalid key is reported by the campaign.
    #[must_use]
    pub fn election(&self, key: impl Into<String>) -> Election {
        Election::new(self, key.into())
    }
}

/// An election: of all processes that campaign for a key, one leads. Made by [`Redlock::election`].
///
/// The leader is the holder of the lock of the key: it is renewed, and what the lock guarantees holds for the leader. So at
/// most one leads at a time, its [token](Term::token) is larger than those of all leaders before, and a leader that crashes
/// is followed by another after its [`ttl`](Self::ttl) and one wake-up. [`Redlock::holder`] and
/// [`Redlock::force_release`] work on the same key.
///
/// # Examples
/// ```
/// # use redlock::{Redlock, memory::Nodes};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
/// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
/// // In every replica. One of them runs the body; when it is gone, another one does.
/// let election = redlock.election("scheduler");
/// let planned = election.run(async |leader| {
///     assert!(!leader.is_lost());
///     format!("planned with token {}", leader.token())
/// }).await?;
/// # assert!(planned.starts_with("planned")); Ok(()) }
/// ```
#[derive(Clone)]
pub struct Election {
    redlock: Redlock,
    key: String,
    ttl: Option<Duration>,
}

impl Election {
    pub(super) fn new(redlock: &Redlock, key: String) -> Self {
        Self {
            redlock: redlock.clone(),
            key,
            ttl: None,
        }
    }

    /// The time until another leads after a crash of the leader, as [`LockRequest::ttl`](crate::LockRequest::ttl). Default:
    /// that of the client, 10 s.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Waits until this process leads, however long that takes: while another leads, and while no quorum answers.
    ///
    /// # Errors
    /// [`is_closed`](crate::Error::is_closed); [`is_invalid`](crate::Error::is_invalid) for a key or a ttl that cannot be
    /// one; [`is_already_held`](crate::Error::is_already_held) inside of a body that leads under the same key;
    /// [`is_cooling_down`](crate::Error::is_cooling_down) where the key is also locked by others that leave cool-downs.
    ///
    /// # Cancel safety
    /// Dropping the future withdraws from the campaign: the place in the queue is given up, and what the nodes may have
    /// granted is released in the background.
    pub async fn campaign(&self) -> Result<Term> {
        let options = LockOptions {
            ttl: self.ttl,
            wait: Some(Duration::MAX),
            ..LockOptions::default()
        };
        let guard = self.redlock.lock(self.key.as_str()).options(options);
        Ok(Term {
            guard: guard.await?,
        })
    }

    /// Campaigns, and runs `body` while this process leads. A body whose term is lost is cancelled, and is started again by
    /// the next win. When it finishes, the process resigns and the value is returned.
    ///
    /// A body is cancelled at its awaits: what it spawned goes on, see [`LockRequest::run`](crate::LockRequest::run). To lead
    /// again after a resignation, call `run` again. The body is a closure that returns a future: one that captures something
    /// is written `move |leader| { let app = app.clone(); async move { .. } }`.
    ///
    /// # Errors
    /// As [`campaign`](Self::campaign). A lost term is none: it is an event.
    ///
    /// # Panics
    /// When the body panics, once the process has resigned.
    ///
    /// # Cancel safety
    /// Dropping the future drops the body, and resigns in the background.
    pub async fn run<F, B>(&self, mut body: F) -> Result<B::Output>
    where
        F: FnMut(Held) -> B,
        B: Future,
    {
        loop {
            let guard = self.campaign().await?.guard;
            let held = guard.held();
            match guard.run(body(held)).await {
                Err(lost) if lost.is_lost() => events::term_lost(&self.key, &lost),
                outcome => return outcome,
            }
        }
    }

    /// Who leads, now and after each change, as a majority of the nodes sees it: with the
    /// [label](crate::Holder::label) of the leader's client, where it has one.
    ///
    /// The nodes are asked now and every `period`: a leader that leads for less may be missed. A period below 10 ms is
    /// taken as 10 ms. Nothing is asked while nobody waits for the next change.
    ///
    /// # Panics
    /// Outside of a runtime with timers, when the stream is polled.
    ///
    /// # Examples
    /// ```
    /// # use redlock::{Redlock, memory::Nodes};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
    /// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    /// let election = redlock.election("scheduler");
    /// let mut leaders = election.observe(Duration::from_secs(1));
    /// assert_eq!(leaders.next().await.expect("an open client")?, None);
    /// let term = election.campaign().await?;
    /// let leader = leaders.next().await.expect("an open client")?.expect("a leader");
    /// assert_eq!(leader.owner, term.owner());
    /// # Ok(()) }
    /// ```
    pub fn observe(&self, period: Duration) -> Leaders {
        Leaders::new(self.redlock.clone(), self.key.clone(), period)
    }
}

impl fmt::Debug for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Election")
            .field("key", &self.key)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// The time for which this process leads. Dropped: it resigns in the background.
#[derive(Debug)]
#[must_use = "a term that is dropped ends at once"]
pub struct Term {
    guard: Guard,
}

impl Term {
    /// Larger than the tokens of all leaders before. Hand it to the store that you write to.
    #[must_use]
    pub fn token(&self) -> FencingToken {
        self.guard.token()
    }

    /// The value under the key while this process leads, as in [`Holder::owner`](crate::Holder::owner).
    #[must_use]
    pub fn owner(&self) -> &str {
        self.guard.owner()
    }

    /// How much longer the term may be relied on if it is not renewed; zero when it is lost.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.guard.remaining()
    }

    /// Whether the term was lost: another may lead. Final once it is true.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.guard.is_lost()
    }

    /// Resolves when the term can no longer be relied on, as [`Guard::lost`].
    pub fn lost(&self) -> Lost {
        self.guard.lost()
    }

    /// A handle that looks at the term without keeping it.
    #[must_use]
    pub fn held(&self) -> Held {
        self.guard.held()
    }

    /// Stops leading, and waits until a majority of the nodes knows.
    ///
    /// # Errors
    /// As [`Guard::release`].
    ///
    /// # Cancel safety
    /// As [`Guard::release`].
    pub async fn resign(self) -> Result<()> {
        self.guard.release().await
    }
}
