//! What happened: grants and the times around them, by one clock.

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
    /// When the winning round began, by the validity that was told at the return.
    pub(crate) started: At,
    pub(crate) returned: At,
    /// Until when the holder was told that the lock is valid: the latest that it was ever told.
    pub(crate) valid_until: At,
    /// When the holder let go while it held, or found the lock lost.
    pub(crate) ended: Option<At>,
    /// Until when the key was to stay busy after that, and since when that is confirmed.
    pub(crate) cooled_down: Option<CoolDown>,
}

/// A key that was left busy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoolDown {
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

/// What stands under the foreign key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// A string that expires.
    pub(crate) is_lease: bool,
    /// How often it was changed.
    pub(crate) changes: u64,
}

impl Foreign {
    pub(crate) fn change(&mut self, is_lease: bool) {
        self.is_lease = is_lease;
        self.changes += 1;
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) grants: Vec<Grant>,
    /// When a node forgot what it held, or its clock stepped.
    pub(crate) forgot: Vec<(usize, At)>,
    /// When a node restarted with its data.
    pub(crate) restarted: Vec<(usize, At)>,
    /// When a key was deleted on a majority of the nodes.
    pub(crate) deleted: Vec<(usize, At)>,
    /// When a client stood still: from and to.
    pub(crate) stood_still: Vec<(usize, At, At)>,
    /// Until when a key may be busy without a holder.
    pub(crate) busy_until: Vec<At>,
    /// What stands under the foreign key.
    pub(crate) foreign: Foreign,
    /// What must not have happened.
    pub(crate) violations: Vec<String>,
    pub(crate) refused: usize,
    /// Calls in which several commands went out.
    pub(crate) batches: u64,
    pub(crate) events: Counts,
    /// Told step by step where asked for.
    pub(crate) log: Option<Vec<String>>,
}

impl History {
    pub(crate) fn tell(&mut self, at: At, what: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(format!("{:>10.3} ms  {}", at.as_secs_f64() * 1e3, what()));
        }
    }

    pub(crate) fn violation(&mut self, at: At, what: String) {
        self.tell(at, || format!("VIOLATION {what}"));
        self.violations.push(what);
    }

    /// For how long `client` stood still between two times.
    pub(crate) fn stood_still(&self, client: usize, from: At, to: At) -> Duration {
        let spells = self.stood_still.iter().filter(|(who, ..)| *who == client);
        spells
            .map(|(_, begin, end)| (*end).min(to).saturating_sub((*begin).max(from)))
            .sum()
    }
}
