//! The state of jobs, for any client of the nodes.

use std::{fmt, time::SystemTime};

use super::{
    RunState,
    definition::key_of,
    options::usual_retention,
    record::{LastRun, Record},
    schedule::instant,
};
use crate::{
    client::Redlock,
    error::{Error, Result},
};

/// The jobs on the nodes. Created by [`Redlock::jobs`].
#[derive(Clone)]
pub struct Jobs {
    redlock: Redlock,
}

impl Jobs {
    pub(super) fn new(redlock: &Redlock) -> Self {
        Self {
            redlock: redlock.clone(),
        }
    }

    /// The record of a job: the firing that was started last, the client that ran it, and its
    /// outcome. `None` if the job never ran, or not within the last four weeks.
    ///
    /// # Errors
    /// Those of [`Redlock::read`]. [`is_forgotten`](Error::is_forgotten) is true if there is no
    /// record and most nodes have run for less than four weeks. [`is_invalid`](Error::is_invalid)
    /// is also true if a later version of this crate wrote the record.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn status(&self, name: impl Into<String>) -> Result<Option<JobStatus>> {
        let name = name.into();
        let retention = usual_retention(self.redlock.max_ttl());
        let read = self.redlock.read(key_of(&name)).retention(retention);
        let Some(text) = read.await? else {
            return Ok(None);
        };
        let record = Record::read(&text).ok_or_else(|| Error::other_record(&name))?;
        Ok(Some(JobStatus {
            next: record.next.map(instant),
            last_completed: record.completed.map(instant),
            missed: record.missed,
            skipped: record.skipped,
            last: record.last.map(Run::of),
        }))
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").finish_non_exhaustive()
    }
}

/// The record of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobStatus {
    /// The firing that was started last. `None` before the first one.
    pub last: Option<Run>,
    /// The last firing that was completed.
    pub last_completed: Option<SystemTime>,
    /// The next firing, as known when the record was written.
    pub next: Option<SystemTime>,
    /// How many firings no replica began, because none ran or had a quorum in time: those that a
    /// later one replaced, and those that are older than the options allow. Counted since the first
    /// deployment, or since the nodes forgot the record.
    ///
    /// A firing is counted when a replica finds that it will not be run, so not while all are down. At
    /// most 1000 are counted for one outage. Firings that were begun are not counted, whatever their
    /// outcome; nor are those that [`skipped`](Self::skipped) counts.
    pub missed: u64,
    /// How many firings were skipped under [`Overlap::Skip`](super::Overlap::Skip), because they were
    /// due while an earlier one still ran. At most 1000 are counted for one run.
    pub skipped: u64,
}

/// One run of a firing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Run {
    /// The scheduled instant.
    pub firing: SystemTime,
    /// When the body began, by the clock of the nodes.
    pub started: SystemTime,
    /// When it ended.
    pub ended: Option<SystemTime>,
    /// The outcome.
    pub state: RunState,
    /// How often the body was run.
    pub attempts: u32,
    /// The [label](crate::Builder::label) of the client that ran it.
    pub label: Option<String>,
    /// Why it failed, at most 500 bytes.
    pub error: Option<String>,
}

impl Run {
    fn of(run: LastRun) -> Self {
        Self {
            firing: instant(run.firing),
            started: instant(run.started),
            ended: run.ended.map(instant),
            state: run.state,
            attempts: run.attempts,
            label: run.label,
            error: run.error,
        }
    }
}
