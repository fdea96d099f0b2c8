//! One cycle: request the lock, record the grant, work, release, record the release.

use std::cell::Cell;
use std::time::Duration;

use redlock::{Guard, Redlock};
use tokio::time::{Instant, sleep, timeout};

use super::sample::Sampler;
use crate::args::Problem;
use crate::config::{QUORUM, validity};
use crate::history::{Failure, Grant, Journal};
use crate::resource::Access;
use crate::timestamp::{Timestamp, now, ns};

/// How often a holder reads its validity.
const CHECK_INTERVAL: Duration = Duration::from_millis(80);
/// A smaller increase of the validity is rounding and no extension.
const ROUNDING: u64 = 1_000_000;

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

impl Client {
    /// One cycle, with an increment of the counters that the key protects where there is an `access`.
    pub(crate) async fn cycle(
        &self,
        key: &str,
        cycle: Cycle,
        access: Option<&mut Access>,
    ) -> Result<(), Problem> {
        let called = now();
        let request = self
            .redlock
            .lock(key)
            .ttl(cycle.ttl)
            .wait(cycle.wait)
            .keep_alive(cycle.keep_alive);
        let result = match cycle.drop_request_after {
            None => request.await,
            Some(limit) => match timeout(limit, request).await {
                Ok(result) => result,
                Err(_) => {
                    self.failure(key, called, cycle.wait, "dropped");
                    return Ok(());
                }
            },
        };
        match result {
            Ok(guard) => self.hold(guard, called, cycle, access).await,
            Err(error) => {
                self.failure(key, called, cycle.wait, &format!("{:?}", error.kind()));
                Ok(())
            }
        }
    }

    fn failure(&self, key: &str, called: Timestamp, wait: Duration, reason: &str) {
        self.journal.failure(&Failure {
            client: self.name.clone(),
            key: key.to_owned(),
            called,
            returned: now(),
            wait,
            reason: reason.to_owned(),
        });
    }

    async fn hold(
        &self,
        guard: Guard,
        called: Timestamp,
        cycle: Cycle,
        access: Option<&mut Access>,
    ) -> Result<(), Problem> {
        let (mut hold, token) = (Hold::new(self, &guard, called, cycle), guard.token().get());
        match access {
            None => hold.work(cycle.hold).await,
            Some(access) => {
                // Like most code, it reads, works and writes without checking the lock in between.
                let values = access.read(guard.key(), token).await?;
                hold.work(cycle.hold).await;
                access.write(guard.key(), token, values).await?;
            }
        }
        if cycle.sample {
            self.sample(&guard, &mut hold).await;
        }
        hold.check();
        let id = hold.id;
        self.journal.releasing(&id, now());
        let outcome = if cycle.drop_guard {
            drop(guard);
            "dropped".to_owned()
        } else {
            match guard.release().await {
                Ok(()) => "released".to_owned(),
                Err(error) => format!("{:?}", error.kind()),
            }
        };
        self.journal.released(&id, now(), &outcome);
        Ok(())
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

/// A grant while it is held.
struct Hold<'a> {
    client: &'a Client,
    guard: &'a Guard,
    id: String,
    /// The latest end of validity that was reported.
    valid_until: Timestamp,
}

impl<'a> Hold<'a> {
    fn new(client: &'a Client, guard: &'a Guard, called: Timestamp, cycle: Cycle) -> Self {
        // Reads the clock first, so that the recorded validity never exceeds the reported one.
        let returned = now();
        let valid_until = returned + ns(guard.remaining());
        client.grants.set(client.grants.get() + 1);
        let id = format!("{}-{}", client.name, client.grants.get());
        client.journal.grant(&Grant {
            id: id.clone(),
            client: client.name.clone(),
            key: guard.key().to_owned(),
            token: guard.token().get(),
            rounds: guard.rounds(),
            called,
            began: valid_until
                .saturating_sub(ns(validity(cycle.ttl)))
                .max(called),
            returned,
            valid_until,
            releasing: None,
            released: None,
        });
        Self {
            client,
            guard,
            id,
            valid_until,
        }
    }

    async fn work(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            sleep(CHECK_INTERVAL.min(end - Instant::now())).await;
            self.check();
        }
    }

    /// Records an extension.
    fn check(&mut self) {
        let at = now();
        let remaining = ns(self.guard.remaining());
        if remaining > 0 && at + remaining > self.valid_until + ROUNDING {
            self.valid_until = at + remaining;
            self.client.journal.extended(&self.id, self.valid_until);
        }
    }
}
