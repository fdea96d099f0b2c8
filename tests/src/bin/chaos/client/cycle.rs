//! One cycle: request the lock, record the grant, work, release, record the release.

use std::cell::Cell;
use std::slice::from_mut;
use std::time::Duration;

use redlock::{Guard, Redlock};
use tokio::time::timeout;

use super::hold::{self, Granted, Hold};
use super::sample::Sampler;
use crate::args::Problem;
use crate::config::{LAST_WAIT, MAX_TTL, QUORUM, TTL, WAIT};
use crate::history::{Failure, Journal, Kind};
use crate::resource::Access;
use crate::timestamp::{Timestamp, now};

/// What all tasks of a process share.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) redlock: Redlock,
    pub(crate) journal: Journal,
    pub(crate) sampler: Sampler,
    pub(crate) name: String,
    pub(crate) grants: Cell<u64>,
}

/// How a cycle runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cycle {
    pub(crate) ttl: Duration,
    pub(crate) wait: Duration,
    pub(crate) hold: Duration,
    pub(crate) keep_alive: bool,
    pub(crate) drop_request_after: Option<Duration>,
    /// The guard is dropped instead of released.
    pub(crate) drop_guard: bool,
    /// The nodes are asked for how long they hold the key.
    pub(crate) sample: bool,
}

impl Cycle {
    pub(crate) const PLAIN: Self = Self {
        ttl: TTL,
        wait: WAIT,
        hold: Duration::ZERO,
        keep_alive: false,
        drop_request_after: None,
        drop_guard: false,
        sample: false,
    };

    /// The last cycle of a task. It must succeed, and its key must be gone before its ttl ends.
    pub(crate) const LAST: Self = Self {
        ttl: MAX_TTL,
        wait: LAST_WAIT,
        hold: Duration::from_millis(5),
        ..Self::PLAIN
    };
}

impl Client {
    /// One cycle, with an increment of the counters that the key protects where there is an `access`.
    pub(crate) async fn cycle(
        &self,
        key: &str,
        cycle: Cycle,
        access: Option<&mut Access>,
    ) -> Result<(), Problem> {
        let called = now();
        let request = self.plain(key, cycle);
        match self.request(key, cycle, request).await {
            Some(guard) => self.hold(guard, called, cycle, access).await,
            None => Ok(()),
        }
    }

    /// A request for a plain lock.
    pub(super) async fn plain(&self, key: &str, cycle: Cycle) -> Result<Guard, redlock::Error> {
        let request = self.redlock.lock(key).ttl(cycle.ttl).wait(cycle.wait);
        request.keep_alive(cycle.keep_alive).await
    }

    /// Awaits a request, or drops it if the cycle says so. Records a failure.
    pub(super) async fn request<T>(
        &self,
        key: &str,
        cycle: Cycle,
        request: impl Future<Output = Result<T, redlock::Error>>,
    ) -> Option<T> {
        let called = now();
        let result = match cycle.drop_request_after {
            None => Ok(request.await),
            Some(limit) => timeout(limit, request).await,
        };
        let reason = match result {
            Ok(Ok(granted)) => return Some(granted),
            Ok(Err(error)) => format!("{:?}", error.kind()),
            Err(_) => "dropped".to_owned(),
        };
        self.journal.failure(&Failure {
            client: self.name.clone(),
            key: key.to_owned(),
            called,
            returned: now(),
            wait: cycle.wait,
            reason,
        });
        None
    }

    async fn hold(
        &self,
        guard: Guard,
        called: Timestamp,
        cycle: Cycle,
        access: Option<&mut Access>,
    ) -> Result<(), Problem> {
        let granted = Granted {
            kind: Kind::Lock,
            called,
            ttl: cycle.ttl,
            rounds: guard.rounds(),
            ticket: None,
        };
        let mut hold = Hold::new(self, guard.held(), granted);
        match access {
            None => hold::work(from_mut(&mut hold), cycle.hold).await,
            Some(access) => {
                let token = guard.token().get();
                // Like most code, it reads, works and writes without checking the lock in between.
                let values = access.read(guard.key(), token).await?;
                hold::work(from_mut(&mut hold), cycle.hold).await;
                access.write(guard.key(), token, values).await?;
            }
        }
        if cycle.sample {
            self.sample(&guard, &mut hold).await;
        }
        self.end(&mut hold, cycle, guard).await;
        Ok(())
    }

    /// Releases the guard, or drops it if the cycle says so.
    pub(super) async fn end(&self, hold: &mut Hold<'_>, cycle: Cycle, guard: Guard) {
        if cycle.drop_guard {
            hold.releasing();
            drop(guard);
            hold.released("dropped");
        } else {
            hold::end(from_mut(hold), guard.release()).await;
        }
    }

    async fn sample(&self, guard: &Guard, hold: &mut Hold<'_>) {
        hold.check();
        let sample = self
            .sampler
            .sample(&hold.id, guard.key(), guard.owner(), hold.valid_until)
            .await;
        // A lock that was lost meanwhile is being released.
        if !guard.is_lost() && sample.nodes.len() >= QUORUM {
            self.journal.sample(&sample);
        }
    }
}
