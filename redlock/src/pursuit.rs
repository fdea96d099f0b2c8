//! Attempts until one wins or the wait is over.

use std::{sync::Arc, time::Duration};

use crate::{
    client::Core,
    clock::Instant,
    error::{Error, Result},
    key::Key,
    lease::{Lease, Terms},
    protocol::backoff::{self, Refusal},
    queue::Turn,
    round::acquire::{self, Ask, Failure, Grant},
};

/// Further attempts, at once, of a request that does not wait: after votes that were split, so that one of two
/// who ask at the same moment gets the lock.
const SPLITS: u32 = 2;

/// Somebody who wants a lock, at the head of the line of its process.
#[derive(Debug)]
pub(crate) struct Pursuit<'a> {
    pub(crate) core: &'a Arc<Core>,
    pub(crate) name: &'a str,
    pub(crate) key: &'a Arc<Key>,
    pub(crate) terms: Terms,
    pub(crate) fencing: bool,
    /// How long it waits in all; zero for one look.
    pub(crate) wait: Duration,
    /// Since when.
    pub(crate) since: Instant,
}

impl Pursuit<'_> {
    /// Asks until the lock is granted. Cancel safe: what an attempt may have been granted is released behind it.
    pub(crate) async fn catch(self, turn: Turn) -> Result<Arc<Lease>> {
        let core = self.core;
        let node_timeout = core.node_timeout(self.terms.ttl);
        let mut ask = Ask {
            key: Arc::clone(self.key),
            ttl: self.terms.ttl,
            fencing: self.fencing,
            floor: 0,
            contended: false,
        };
        // A short wait still has the time to ask once.
        let mut within = match self.wait {
            Duration::ZERO => node_timeout,
            _ => self.left().max(node_timeout / 5).min(node_timeout),
        };
        let mut refused = None;
        let mut series = Series::default();
        loop {
            core.open(Some(self.name))?;
            let driver = core.driver()?;
            let attempt =
                acquire::attempt(&core.nodes, &driver, &core.tracker, &mut ask, within).await;
            let failure = match attempt {
                Ok(grant) => {
                    self.caught(&grant);
                    return Ok(Lease::new(core, &driver, self.key, self.terms, grant, turn));
                }
                // An attempt that the wait cut short says less than the one before.
                Err(Failure::NoQuorum { .. }) if within < node_timeout && refused.is_some() => {
                    refused.take().unwrap_or(Failure::NoToken)
                }
                Err(failure) => failure,
            };
            let (refusal, number) = series.next(&failure);
            if self.wait.is_zero() && refusal == Refusal::Split && number <= SPLITS {
                ask.contended = true;
                continue;
            }
            let left = self.left();
            if left.is_zero() || matches!(failure, Failure::NoToken) {
                return Err(self.failed(failure));
            }
            let pause = backoff::delay(refusal, number - 1, core.nodes.random.draw());
            tokio::time::sleep(pause.min(left)).await;
            let left = self.left();
            if left.is_zero() {
                return Err(self.failed(failure));
            }
            within = left.min(node_timeout);
            // Every other attempt asks all nodes at once: a leftover on the first node must not stand for the rest.
            let was_refused = matches!(failure, Failure::Refused { .. });
            ask.contended = was_refused && !ask.contended;
            if was_refused {
                refused = Some(failure);
            }
        }
    }

    fn left(&self) -> Duration {
        self.wait
            .saturating_sub(self.core.now().saturating_since(self.since))
    }

    fn caught(&self, grant: &Grant) {
        let waited = self.core.now().saturating_since(self.since);
        tracing::trace!(key = %self.key, rounds = grant.rounds, ?waited, "lock acquired");
    }

    fn failed(&self, failure: Failure) -> Error {
        match failure {
            Failure::Refused { left, .. } if self.wait.is_zero() => Error::busy(self.name, left),
            Failure::Refused { left, .. } => Error::timed_out(self.name, self.wait, left),
            Failure::NoQuorum { able, errors } => {
                Error::no_quorum(Some(self.name), able, self.core.nodes.quorum(), errors)
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
