//! One turn: ask, note the grant, work, let go, note the end.

use std::cell::Cell;
use std::time::Duration;

use redlock::{Guard, Redlock};
use tokio::time::{Instant, sleep, timeout};

use super::sample::Sampler;
use crate::args::Problem;
use crate::history::{Grant, Journal, Miss};
use crate::resource::Access;
use crate::stamp::{Stamp, now, ns};
use crate::terms::{QUORUM, usable};

/// How often a holder looks at its validity.
const LOOK: Duration = Duration::from_millis(80);
/// Less than that more validity is rounding, not an extension.
const GREW: u64 = 1_000_000;

/// What all tasks of a process share.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) redlock: Redlock,
    pub(crate) journal: Journal,
    pub(crate) sampler: Sampler,
    pub(crate) name: String,
    pub(crate) grants: Cell<u64>,
}

/// How a turn goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) ttl: Duration,
    pub(crate) wait: Duration,
    pub(crate) hold: Duration,
    pub(crate) keep_alive: bool,
    /// The request is dropped after that time.
    pub(crate) impatient: Option<Duration>,
    /// The guard is dropped, not released.
    pub(crate) forget: bool,
    /// The nodes are asked how long they hold it.
    pub(crate) sample: bool,
}

impl Client {
    /// One turn, on the numbers that the key protects where there is an `access`. Whether the lock was granted.
    pub(crate) async fn turn(
        &self,
        key: &str,
        style: Style,
        access: Option<&mut Access>,
    ) -> Result<bool, Problem> {
        let call = now();
        let request = self
            .redlock
            .lock(key)
            .ttl(style.ttl)
            .wait(style.wait)
            .keep_alive(style.keep_alive);
        let answer = match style.impatient {
            None => request.await,
            Some(patience) => match timeout(patience, request).await {
                Ok(answer) => answer,
                Err(_) => {
                    self.miss(key, call, style.wait, "dropped");
                    return Ok(false);
                }
            },
        };
        match answer {
            Ok(guard) => {
                self.hold(guard, call, style, access).await?;
                Ok(true)
            }
            Err(error) => {
                self.miss(key, call, style.wait, &format!("{:?}", error.kind()));
                Ok(false)
            }
        }
    }

    fn miss(&self, key: &str, call: Stamp, wait: Duration, why: &str) {
        self.journal.miss(&Miss {
            client: self.name.clone(),
            key: key.to_owned(),
            call,
            returned: now(),
            wait,
            why: why.to_owned(),
        });
    }

    async fn hold(
        &self,
        guard: Guard,
        call: Stamp,
        style: Style,
        access: Option<&mut Access>,
    ) -> Result<(), Problem> {
        let (mut hold, token) = (Hold::new(self, &guard, call, style), guard.token().get());
        match access {
            None => hold.work(style.hold).await,
            Some(access) => {
                // As most code is: it reads, works and writes, and does not look at its lock in between.
                let numbers = access.read(guard.key(), token).await?;
                hold.work(style.hold).await;
                access.write(guard.key(), token, numbers).await?;
            }
        }
        if style.sample {
            self.sample(&guard, &mut hold).await;
        }
        hold.look();
        let id = hold.id;
        self.journal.letting(&id, now());
        let outcome = if style.forget {
            drop(guard);
            "dropped".to_owned()
        } else {
            match guard.release().await {
                Ok(()) => "released".to_owned(),
                Err(error) => format!("{:?}", error.kind()),
            }
        };
        self.journal.ended(&id, now(), &outcome);
        Ok(())
    }

    async fn sample(&self, guard: &Guard, hold: &mut Hold<'_>) {
        hold.look();
        let sample = self
            .sampler
            .look(&hold.id, guard.key(), guard.owner(), hold.valid)
            .await;
        // What was lost meanwhile is being released.
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
    /// The latest end that was told.
    valid: Stamp,
}

impl<'a> Hold<'a> {
    fn new(client: &'a Client, guard: &'a Guard, call: Stamp, style: Style) -> Self {
        // The clock first: the validity is never noted longer than it is.
        let returned = now();
        let valid = returned + ns(guard.remaining());
        client.grants.set(client.grants.get() + 1);
        let id = format!("{}-{}", client.name, client.grants.get());
        client.journal.grant(&Grant {
            id: id.clone(),
            client: client.name.clone(),
            key: guard.key().to_owned(),
            token: guard.token().get(),
            rounds: guard.rounds(),
            call,
            began: valid.saturating_sub(ns(usable(style.ttl))).max(call),
            returned,
            valid,
            letting: None,
            ended: None,
        });
        Self {
            client,
            guard,
            id,
            valid,
        }
    }

    async fn work(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            sleep(LOOK.min(end - Instant::now())).await;
            self.look();
        }
    }

    fn look(&mut self) {
        let at = now();
        let left = ns(self.guard.remaining());
        if left > 0 && at + left > self.valid + GREW {
            self.valid = at + left;
            self.client.journal.kept(&self.id, self.valid);
        }
    }
}
