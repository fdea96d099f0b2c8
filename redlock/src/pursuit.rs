//! Getting a lock: the place in line, then attempts until one wins or the wait is over.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::Instant,
    core::Core,
    error::{Error, Result},
    key::Key,
    lease::{Hold, HoldTerms, Lease, Terms},
    node::{Driver, Inbox, Waiting},
    protocol::{
        backoff::{self, Refusal},
        token::FencingToken,
    },
    queue::{Joined, Next, Past, Turn},
    round::acquire::{self, Ask, Failure, Grant},
    service::Service,
};

/// Further attempts of a request that does not wait, after votes that were split: so that one of those who ask at the
/// same moment gets the lock. They ask one node first; who is refused there gives up, so one is left. All of them
/// have the time of one attempt together.
const SPLITS: u32 = 12;
/// The pause before such an attempt, in which the keys of those who gave up go; none before the first.
const SPLIT_PAUSE: Duration = Duration::from_millis(1);

/// Somebody who wants a lock.
#[derive(Debug)]
pub(crate) struct Pursuit<'a> {
    pub(crate) service: &'a Service,
    pub(crate) name: &'a str,
    pub(crate) key: &'a Arc<Key>,
    pub(crate) terms: Terms,
    pub(crate) hold_terms: HoldTerms,
    /// How long it waits in all; zero for one look.
    pub(crate) wait: Duration,
    /// Since when.
    pub(crate) since: Instant,
}

impl Pursuit<'_> {
    /// Waits in line and asks until the lock is granted. Cancel safe: the place is left, and what an attempt may have
    /// been granted is released behind it.
    pub(crate) async fn catch(&self) -> Result<Arc<Hold>> {
        // Twice only where the lease was lost between being granted and being taken.
        loop {
            let turn = match self.next_in_line().await? {
                Next::Turn(turn) => turn,
                Next::Hold(unclaimed) => match unclaimed.claim() {
                    Some(hold) => return Ok(hold),
                    None => continue,
                },
            };
            let lease = self.ask(&turn).await?;
            let hold = lease.turn(self.hold_terms);
            turn.granted(&lease);
            if self.terms.keep_alive {
                self.service.keepers.keep(&lease);
            }
            match hold {
                Some(hold) => return Ok(hold),
                None => lease.lapse(),
            }
        }
    }

    /// The turn in this process, or a lease that is handed on.
    async fn next_in_line(&self) -> Result<Next> {
        let queue = &self.service.queue;
        if self.wait.is_zero() {
            let turn = queue.try_turn(self.key);
            return turn
                .map(Next::Turn)
                .map_err(|left| Error::busy(self.name, left));
        }
        match queue.join(self.key, self.terms, self.hold_terms) {
            Joined::Turn(turn) => Ok(Next::Turn(turn)),
            Joined::Waits(place) => place
                .wait(self.left())
                .await
                .map_err(|left| Error::timed_out(self.name, self.wait, left)),
        }
    }

    /// Asks the nodes until they grant a lease.
    async fn ask(&self, turn: &Turn) -> Result<Arc<Lease>> {
        let core = self.core();
        let node_timeout = core.node_timeout(self.terms.ttl);
        let mut ask = Ask {
            key: Arc::clone(self.key),
            ttl: self.terms.ttl,
            fencing: self.terms.fencing,
            // Reserved where somebody waits for turns without a round trip.
            block: if turn.waiting() > 0 {
                FencingToken::BLOCK
            } else {
                1
            },
            floor: turn.past().fence,
            contended: false,
            halves: self.wait.is_zero(),
            inbox: None,
        };
        let mut contended = self.give_way(turn).await;
        // A short wait still has the time to ask once.
        let mut within = match self.wait {
            Duration::ZERO => node_timeout,
            _ => self.left().max(node_timeout / 5).min(node_timeout),
        };
        let asked_since = core.now();
        let mut refused = None;
        let mut waiting: Option<Waiting> = None;
        let mut series = Series::default();
        loop {
            core.open(Some(self.name))?;
            let driver = core.driver()?;
            let attempt =
                acquire::attempt(&core.nodes, &driver, &core.tracker, &mut ask, within).await;
            let failure = match attempt {
                Ok(grant) => {
                    self.caught(&grant);
                    contended |= refused.is_some();
                    let (key, terms) = (self.key, self.terms);
                    return Ok(Lease::grant(core, &driver, key, terms, &grant, contended));
                }
                // An attempt that the wait cut short says less than the one before.
                Err(Failure::NoQuorum { .. }) if within < node_timeout && refused.is_some() => {
                    refused.take().unwrap_or(Failure::NoToken)
                }
                Err(failure) => failure,
            };
            let (refusal, number) = series.next(&failure);
            if self.wait.is_zero() && refusal == Refusal::Split && number <= SPLITS {
                let mut pause = Duration::ZERO;
                if number > 1 {
                    let jitter: f64 = core.nodes.random.draw();
                    pause = SPLIT_PAUSE.mul_f64(f64::from(number) * jitter);
                }
                let spent = core.now().saturating_since(asked_since);
                within = node_timeout.saturating_sub(spent.saturating_add(pause));
                if !within.is_zero() {
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    ask.contended = true;
                    refused = Some(failure);
                    continue;
                }
            }
            let left = self.left();
            if left.is_zero() || matches!(failure, Failure::NoToken) {
                return Err(self.failed(failure));
            }
            if waiting.is_none() && self.listens_after(&failure, &driver) {
                // Listens first and asks once more, so that no release falls in between.
                waiting = Some(core.nodes.wakes.wait(self.key.lock(), core.nodes.quorum()));
                ask.inbox = Some(Inbox {
                    name: Arc::clone(driver.inbox()),
                    since: core.nodes.tokens.micros(self.since),
                });
                ask.contended = false;
                refused = Some(failure);
                within = left.min(node_timeout);
                continue;
            }
            let jitter = core.nodes.random.draw();
            let pause = backoff::delay(refusal, number - 1, jitter, waiting.is_some());
            let woken = self.sleep(pause.min(left), waiting.as_ref()).await;
            let left = self.left();
            if left.is_zero() {
                return Err(self.failed(failure));
            }
            within = left.min(node_timeout);
            // Every other attempt asks all nodes at once: a leftover on the first node must not stand for the rest.
            let was_refused = matches!(failure, Failure::Refused { .. });
            ask.contended = was_refused && !ask.contended && !woken;
            if was_refused {
                refused = Some(failure);
            }
        }
    }

    /// Lets another process go first that was told of the last release: it would come too late every time against who
    /// waits next to the holder. Says whether there is such a one.
    async fn give_way(&self, turn: &Turn) -> bool {
        let core = self.core();
        if let Past {
            release: Some(release),
            contended: true,
            ..
        } = turn.past()
            && !self.wait.is_zero()
        {
            // Whether anybody was told is known when the release has come back.
            release.decided(core.node_timeout(self.terms.ttl)).await;
        }
        match core.nodes.wakes.gives_way(self.key.lock()) {
            Some(time) if !self.wait.is_zero() => {
                tokio::time::sleep(time.min(self.left())).await;
                true
            }
            other => other.is_some(),
        }
    }

    /// Whether a failure is one to be woken from: refused by a holder, with the inbox heard on a majority.
    fn listens_after(&self, failure: &Failure, driver: &Driver) -> bool {
        matches!(failure, Failure::Refused { .. })
            && self.terms.fencing
            && driver.hears() >= self.core().nodes.quorum()
    }

    /// Sleeps until the time is over or a wake-up comes, which it tells.
    async fn sleep(&self, time: Duration, waiting: Option<&Waiting>) -> bool {
        let sleep = tokio::time::sleep(time);
        let Some(waiting) = waiting else {
            sleep.await;
            return false;
        };
        tokio::select! {
            biased;
            () = waiting.rung() => true,
            () = sleep => false,
        }
    }

    fn core(&self) -> &Arc<Core> {
        &self.service.core
    }

    fn left(&self) -> Duration {
        let waited = self.core().now().saturating_since(self.since);
        self.wait.saturating_sub(waited)
    }

    fn caught(&self, grant: &Grant) {
        let waited = self.core().now().saturating_since(self.since);
        tracing::trace!(key = %self.key, rounds = grant.rounds, ?waited, "lock acquired");
    }

    fn failed(&self, failure: Failure) -> Error {
        match failure {
            Failure::Refused { left, .. } if self.wait.is_zero() => Error::busy(self.name, left),
            Failure::Refused { left, .. } => Error::timed_out(self.name, self.wait, left),
            Failure::NoQuorum { able, errors } => {
                Error::no_quorum(Some(self.name), able, self.core().nodes.quorum(), errors)
            }
            Failure::Expired { took } => Error::expired(self.name, self.terms.ttl, took),
            Failure::NoToken => Error::no_token(self.name),
        }
    }
}

/// Refusals of one kind in a row.
#[derive(Debug, Default)]
struct Series {
    last: Option<Refusal>,
    number: u32,
}

impl Series {
    /// What a failure tells a waiter, and which in a row it is, from 1.
    fn next(&mut self, failure: &Failure) -> (Refusal, u32) {
        let refusal = match failure {
            Failure::NoQuorum { .. } | Failure::Expired { .. } | Failure::NoToken => {
                Refusal::Outage
            }
            Failure::Refused { split: true, .. } => Refusal::Split,
            Failure::Refused { free_in, left, .. } => match free_in.or(*left) {
                Some(free) if !free.is_zero() => Refusal::FreeIn(free),
                _ => Refusal::Split,
            },
        };
        let same =
            |last: Refusal| std::mem::discriminant(&last) == std::mem::discriminant(&refusal);
        self.number = if self.last.is_some_and(same) {
            self.number + 1
        } else {
            1
        };
        self.last = Some(refusal);
        (refusal, self.number)
    }
}
