//! The record of a history: grants and other events, all timed by one clock.

use std::{fmt, time::Duration};

use crate::event::Counts;

/// The time since the history began.
pub(crate) type At = Duration;

/// One grant, as its holder saw it.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) client: usize,
    pub(crate) key: usize,
    pub(crate) owner: String,
    pub(crate) token: u64,
    pub(crate) ttl: Duration,
    /// When the winning round began, computed from the validity at the return.
    pub(crate) started: At,
    pub(crate) returned: At,
    /// The latest end of validity that the holder ever saw.
    pub(crate) valid_until: At,
    /// When the holder released the valid lock, or noticed its loss.
    pub(crate) ended: Option<At>,
    /// The cool-down after the release.
    pub(crate) cooled_down: Option<CoolDown>,
}

/// A key that stays busy after its lock was released.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoolDown {
    /// When a majority had confirmed it.
    pub(crate) confirmed: At,
    pub(crate) until: At,
}

impl Grant {
    /// Until when the holder relied on the lock.
    pub(crate) fn relied_until(&self) -> At {
        self.ended
            .map_or(self.valid_until, |ended| ended.min(self.valid_until))
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "client {} held key {} with token {} from {:?} (round begun {:?}) to {:?} (valid until {:?}, ttl {:?})",
            self.client,
            self.key,
            self.token,
            self.returned,
            self.started,
            self.relied_until(),
            self.valid_until,
            self.ttl,
        )
    }
}

/// The value under the foreign key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// The value is a string that expires.
    pub(crate) is_lease: bool,
    /// How often the value has changed.
    pub(crate) changes: u64,
}

impl Foreign {
    pub(crate) fn change(&mut self, is_lease: bool) {
        self.is_lease = is_lease;
        self.changes += 1;
    }
}

/// The whole record.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) grants: Vec<Grant>,
    /// When a node lost data.
    pub(crate) forgot: Vec<(usize, At)>,
    /// The keys that a promotion brought back after their owners had given them up on the node: the node, the key and its
    /// owner. They stay for their ttl.
    pub(crate) brought_back: Vec<(usize, usize, String)>,
    /// When a node restarted with its data.
    pub(crate) restarted: Vec<(usize, At)>,
    /// When a key was deleted on a majority of the nodes.
    pub(crate) deleted: Vec<(usize, At)>,
    /// When a client was paused: from and to.
    pub(crate) pauses: Vec<(usize, At, At)>,
    /// Until when a key may be busy without a holder.
    pub(crate) busy_until: Vec<At>,
    /// The value under the foreign key.
    pub(crate) foreign: Foreign,
    /// Broken invariants.
    pub(crate) violations: Vec<String>,
    pub(crate) refused: usize,
    /// Script calls with several commands.
    pub(crate) batches: u64,
    pub(crate) events: Counts,
    /// A log of every step, if requested.
    pub(crate) log: Option<Vec<String>>,
}

impl History {
    pub(crate) fn log(&mut self, at: At, text: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(format!("{:>10.3} ms  {}", at.as_secs_f64() * 1e3, text()));
        }
    }

    pub(crate) fn violation(&mut self, at: At, text: String) {
        self.log(at, || format!("VIOLATION {text}"));
        self.violations.push(text);
    }

    /// For how long `client` was paused between two times.
    pub(crate) fn paused_time(&self, client: usize, from: At, to: At) -> Duration {
        let pauses = self.pauses.iter().filter(|(paused, ..)| *paused == client);
        pauses
            .map(|(_, begin, end)| (*end).min(to).saturating_sub((*begin).max(from)))
            .sum()
    }
}
