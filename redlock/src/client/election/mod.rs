//! Leader election: the exclusive lock, with an unlimited wait.

pub(crate) mod leaders;

use std::{fmt, time::Duration};

use self::leaders::Leaders;
use crate::{
    client::Redlock,
    error::{Error, NodeError, Result},
    events::lock as events,
    lock::{
        guard::Guard,
        held::{Held, Lost},
        options::LockOptions,
    },
    quorum::{
        backoff::{self, Refusal, WakeUp},
        token::FencingToken,
    },
};

impl Redlock {
    /// An election among all processes that campaign for `key`: one of them leads, until it resigns or its term is lost.
    ///
    /// An invalid key is reported by [`Election::campaign`] and [`Election::run`].
    #[must_use]
    pub fn election(&self, key: impl Into<String>) -> Election {
        Election::new(self, key.into())
    }
}

/// An election: of all processes that campaign for a key, one leads. Created by [`Redlock::election`].
///
/// The leader is the holder of the lock with this key, and has the guarantees of a lock: at most one process leads at a time,
/// its [token](Term::token) is larger than those of all earlier leaders, and after a crash of the leader another process
/// leads within the [`ttl`](Self::ttl) and one wake-up. [`Redlock::holder`] and [`Redlock::force_release`] work on the same
/// key.
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

    /// The time until another process leads after a crash of the leader, see [`LockRequest::ttl`](crate::LockRequest::ttl).
    /// Default: that of the client, 10 s.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Waits until this process leads, without a time limit: while another process leads, and while no quorum answers. If a
    /// majority of the nodes refuses, for a missing permission for example, a warning has the reason, and the campaign goes on.
    ///
    /// # Errors
    /// - [`is_closed`](crate::Error::is_closed);
    /// - [`is_invalid`](crate::Error::is_invalid) for an invalid key or ttl;
    /// - [`is_already_held`](crate::Error::is_already_held) inside a body that leads under the same key;
    /// - [`is_cooling_down`](crate::Error::is_cooling_down) if other code locks the same key and leaves a cool-down.
    ///
    /// # Cancel safety
    /// Dropping the future withdraws from the campaign: it gives up its place in the queue, and a lock that the nodes may have
    /// granted is released in the background.
    pub async fn campaign(&self) -> Result<Term> {
        let mut failures = 0;
        loop {
            let options = LockOptions {
                ttl: self.ttl,
                wait: Some(Duration::MAX),
                ..LockOptions::default()
            };
            let guard = self.redlock.lock(self.key.as_str()).options(options);
            match guard.await {
                Ok(guard) => return Ok(Term { guard }),
                Err(error) if is_refused(&error) => {
                    events::campaign_refused(&self.key, &error, failures == 0);
                    self.pause(failures).await;
                    failures += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn pause(&self, failures: u32) {
        let jitter = self.redlock.core().nodes.random.draw();
        let pause = backoff::delay(Refusal::Outage, failures, jitter, WakeUp::Never);
        tokio::time::sleep(pause).await;
    }

    /// Campaigns, and runs `body` while this process leads. If the term is lost, the body is cancelled, and starts again when
    /// this process leads again. When the body finishes, the process resigns and the value is returned.
    ///
    /// A body is cancelled at an await. Tasks that it spawned continue, see [`LockRequest::run`](crate::LockRequest::run). To
    /// lead again after a resignation, call `run` again. The body is a closure that returns a future; one that captures
    /// something is written `move |leader| { let app = app.clone(); async move { .. } }`.
    ///
    /// # Errors
    /// Those of [`campaign`](Self::campaign). A lost term is not an error: it emits an event.
    ///
    /// # Panics
    /// If the body panics, after the process has resigned.
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

    /// The current leader and each change, as a majority of the nodes sees it. An item has the
    /// [label](crate::Holder::label) of the leader's client, if it has one.
    ///
    /// The stream asks the nodes at once and then every `period`, so it may miss a leader that leads for less. The minimum
    /// period is 10 ms. The stream asks only while it is polled.
    ///
    /// # Panics
    /// If the stream is polled outside of a runtime with timers.
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

/// Whether nodes refused for a reason that stays until somebody mends it.
fn is_refused(error: &Error) -> bool {
    error.is_no_quorum() && error.node_errors().iter().any(NodeError::is_lasting)
}

impl fmt::Debug for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Election")
            .field("key", &self.key)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// The term of this process as the leader. Dropping it resigns in the background.
#[derive(Debug)]
#[must_use = "a term that is dropped ends at once"]
pub struct Term {
    guard: Guard,
}

impl Term {
    /// The fencing token: larger than those of all earlier leaders. Pass it to the store that you write to.
    #[must_use]
    pub fn token(&self) -> FencingToken {
        self.guard.token()
    }

    /// The value under the key while this process leads, as in [`Holder::owner`](crate::Holder::owner).
    #[must_use]
    pub fn owner(&self) -> &str {
        self.guard.owner()
    }

    /// How long the term is valid if it is not renewed again. Zero once it is lost.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.guard.remaining()
    }

    /// Whether the term is lost: another process may lead. Once true, it stays true.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.guard.is_lost()
    }

    /// Resolves when the term is lost, see [`Guard::lost`].
    pub fn lost(&self) -> Lost {
        self.guard.lost()
    }

    /// A handle to watch the term. It does not keep the term.
    #[must_use]
    pub fn held(&self) -> Held {
        self.guard.held()
    }

    /// Stops leading, and waits until a majority of the nodes has released the key.
    ///
    /// # Errors
    /// Those of [`Guard::release`].
    ///
    /// # Cancel safety
    /// That of [`Guard::release`].
    pub async fn resign(self) -> Result<()> {
        self.guard.release().await
    }
}
