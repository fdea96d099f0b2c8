//! A grant while it is held, and its records.

use std::time::Duration;

use redlock::Held;
use tokio::time::{Instant, sleep};

use super::cycle::Client;
use crate::config::validity;
use crate::history::{Grant, Kind};
use crate::timestamp::{Timestamp, now, ns};

/// How often a holder reads its validity.
const CHECK_INTERVAL: Duration = Duration::from_millis(80);
/// A smaller increase of the validity is rounding and no extension.
const ROUNDING: u64 = 1_000_000;

/// How something was granted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Granted<'a> {
    pub(super) kind: Kind,
    pub(super) called: Timestamp,
    pub(super) ttl: Duration,
    /// Round trips of the acquire.
    pub(super) rounds: u32,
    /// The grant whose ticket was adopted.
    pub(super) ticket: Option<&'a str>,
}

/// A grant while it is held.
pub(super) struct Hold<'a> {
    client: &'a Client,
    held: Held,
    pub(super) id: String,
    /// The latest end of validity that was reported.
    pub(super) valid_until: Timestamp,
}

impl<'a> Hold<'a> {
    /// Records the grant.
    pub(super) fn new(client: &'a Client, held: Held, granted: Granted<'_>) -> Self {
        // Reads the clock first, so that the recorded validity never exceeds the reported one.
        let returned = now();
        let valid_until = returned + ns(held.remaining());
        let mut began = valid_until.saturating_sub(ns(validity(granted.ttl)));
        // A reader may share a hold that began before its call.
        if granted.kind != Kind::Read {
            began = began.max(granted.called);
        }
        client.grants.set(client.grants.get() + 1);
        let id = format!("{}-{}", client.name, client.grants.get());
        client.journal.grant(&Grant {
            id: id.clone(),
            kind: granted.kind,
            client: client.name.clone(),
            key: held.key().to_owned(),
            token: held.token().get(),
            rounds: granted.rounds,
            called: granted.called,
            began,
            returned,
            valid_until,
            ticket: granted.ticket.map(str::to_owned),
            ..Grant::default()
        });
        Self {
            client,
            held,
            id,
            valid_until,
        }
    }

    /// Records an extension.
    pub(super) fn check(&mut self) {
        let at = now();
        let remaining = ns(self.held.remaining());
        if remaining > 0 && at + remaining > self.valid_until + ROUNDING {
            self.valid_until = at + remaining;
            self.client.journal.extended(&self.id, self.valid_until);
        }
    }

    /// Records that its end was called.
    pub(super) fn releasing(&mut self) {
        self.check();
        self.client.journal.releasing(&self.id, now());
    }

    /// Records that its end returned.
    pub(super) fn released(&self, outcome: &str) {
        self.client.journal.released(&self.id, now(), outcome);
    }
}

/// Holds the grants for so long.
pub(super) async fn work(holds: &mut [Hold<'_>], time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        sleep(CHECK_INTERVAL.min(end - Instant::now())).await;
        holds.iter_mut().for_each(Hold::check);
    }
}

/// Ends the grants by `release`.
pub(super) async fn end(
    holds: &mut [Hold<'_>],
    release: impl Future<Output = Result<(), redlock::Error>>,
) {
    holds.iter_mut().for_each(Hold::releasing);
    let outcome = match release.await {
        Ok(()) => "released".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    };
    holds.iter().for_each(|hold| hold.released(&outcome));
}
