//! Scheduled work: each firing runs once over all replicas, also after a crash or an outage.
//!
//! A firing is one instant of the schedule.
//!
//! ```no_run
//! # use redlock::Redlock;
//! # use std::time::Duration;
//! # async fn start(redlock: Redlock) -> redlock::Result<()> {
//! // On each replica.
//! let hourly = redlock.job("hourly-report", Duration::from_secs(3600));
//! let job = hourly.spawn(async |firing, _held| {
//!     println!("the report of {:?}", firing.at());
//! });
//! # job.stop().await }
//! ```
//!
//! When a firing is due, one of the replicas acquires the lock `job:NAME`, records the start of the firing in its
//! [register](crate#registers), runs the body, and records its end. The other replicas read this
//! record. So no storage beside the nodes of the lock is needed.
//!
//! | guarantee | options | condition |
//! |---|---|---|
//! | a firing never runs twice | [`OnCrash::Skip`] | no majority of the nodes forgets its record |
//! | no two bodies of a job run at once | always | bodies reach an `await` within the ttl after the lock was lost, see [`Guard::run`](crate::Guard::run) |
//! | a firing whose completion was recorded is not run again | always | as above |
//! | a firing within `catch_up` runs, or a later one runs instead | [`OnCrash::Rerun`], [`Missed::Once`] | some replica has a quorum within `catch_up` |
//! | each firing within `catch_up` runs | [`OnCrash::Rerun`], [`Missed::All`], [`Overlap::Queue`] | the same |
//! | a first deployment runs nothing that was due before it | always | |
//!
//! `catch_up` is accurate to the clock skew. If a majority of the nodes has lost the record, this
//! counts as a first deployment: firings that were due are not run, because they might run twice.
//! While nodes that may have it do not answer, a replica waits for them, for half of the time until
//! the next firing at most. A body can write with the [token](crate::Held::token) of its lock, so
//! that a store refuses the writes of a body that does not know yet that it was replaced.

mod body;
mod decide;
mod definition;
mod firing;
mod handle;
mod options;
mod record;
mod rules;
mod runner;
mod schedule;
mod status;

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::watch;

use self::{
    definition::{Definition, key_of},
    options::Settings,
    runner::Runner,
};
pub use self::{
    firing::{BodyResult, Firing},
    handle::JobHandle,
    options::Backoff,
    record::RunState,
    rules::{Missed, OnCrash, Overlap},
    schedule::Schedule,
    status::{JobStatus, Jobs, Run},
};
use crate::{
    client::Redlock,
    error::{Error, Result},
    lock::held::Held,
};

impl Redlock {
    /// A job that fires by `schedule`, once for each firing over all replicas with the same `name`.
    ///
    /// The name is used like a key of a lock, under `job:`. An invalid one is reported by
    /// [`run`](Job::run).
    ///
    /// # Examples
    /// ```
    /// # use redlock::{Redlock, memory::Nodes};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), redlock::Error> {
    /// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    /// // On each replica.
    /// let hourly = Duration::from_secs(3600);
    /// let reports = redlock
    ///     .job("hourly-report", hourly)
    ///     .catch_up(Duration::from_secs(6 * 3600))
    ///     .spawn(async |firing, held| {
    ///         println!("the report of {:?}, with token {}", firing.at(), held.token());
    ///     });
    /// // Anywhere.
    /// tokio::time::sleep(2 * hourly).await;
    /// let status = redlock.jobs().status("hourly-report").await?.expect("it ran");
    /// assert!(status.last_completed.is_some());
    /// reports.stop().await?;
    /// # Ok(()) }
    /// ```
    pub fn job(&self, name: impl Into<String>, schedule: impl Schedule) -> Job {
        let name = name.into();
        Job {
            definition: Definition {
                key: key_of(&name),
                name,
                redlock: self.clone(),
                schedule: Arc::new(schedule),
            },
            settings: Settings::default(),
        }
    }

    /// The records of jobs.
    #[must_use]
    pub fn jobs(&self) -> Jobs {
        Jobs::new(self)
    }
}

/// Scheduled work, each firing of which runs once over all replicas. Created by [`Redlock::job`].
///
/// All replicas should have the same schedule and options. While these differ, for example during a
/// deployment, each replica uses its own, and a warning contains both.
///
/// | option | default |
/// |---|---|
/// | [`catch_up`](Self::catch_up) | 1 h |
/// | [`missed`](Self::missed) | [`Missed::Once`] |
/// | [`overlap`](Self::overlap) | [`Overlap::Skip`] |
/// | [`on_crash`](Self::on_crash) | [`OnCrash::Rerun`] |
/// | [`ttl`](Self::ttl) | that of the client, 10 s |
/// | [`max_run`](Self::max_run) | no limit |
/// | [`jitter`](Self::jitter) | none |
/// | [`retry`](Self::retry) | none |
#[derive(Clone)]
#[must_use = "a job does nothing until it is run"]
pub struct Job {
    definition: Definition,
    settings: Settings,
}

impl Job {
    /// How late a firing is still run, after an outage or after a crash of the replica that ran it.
    /// Default: 1 h, at most 180 days.
    pub fn catch_up(mut self, window: Duration) -> Self {
        self.settings.catch_up = window;
        self
    }

    /// What happens to firings that no replica ran in time.
    pub fn missed(mut self, missed: Missed) -> Self {
        self.settings.rules.missed = missed;
        self
    }

    /// What happens to firings that are due while an earlier one still runs.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.settings.rules.overlap = overlap;
        self
    }

    /// What happens to a firing whose replica crashed while it ran.
    pub fn on_crash(mut self, on_crash: OnCrash) -> Self {
        self.settings.rules.on_crash = on_crash;
        self
    }

    /// The ttl of the lock: how soon another replica notices a crash. It is renewed while the body
    /// runs.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.settings.ttl = Some(ttl);
        self
    }

    /// Maximum time of one run, including its retries. A body that takes longer is dropped, and the
    /// firing counts as failed.
    pub fn max_run(mut self, most: Duration) -> Self {
        self.settings.max_run = Some(most);
        self
    }

    /// Delays each firing by a part of `most` that follows from the name of the job, so that many jobs
    /// with the same schedule do not start at the same moment. The delay is the same on all replicas
    /// and for all firings. Default: none.
    ///
    /// [`Firing::at`] remains the scheduled instant.
    pub fn jitter(mut self, most: Duration) -> Self {
        self.settings.jitter = most;
        self
    }

    /// Retries a body that fails, up to `times` times within its firing. `backoff` says how long to
    /// wait after each failure: the same `Duration` each time, or longer and longer by
    /// [`Backoff::exponential`]. Default: no retry.
    ///
    /// The lock is held during the pauses, so no other firing of the job runs in them.
    /// [`max_run`](Self::max_run) limits all attempts and pauses together.
    pub fn retry(mut self, times: u32, backoff: impl Into<Backoff>) -> Self {
        (self.settings.retries, self.settings.backoff) = (times, backoff.into());
        self
    }

    /// Runs the firings that this replica gets, until the schedule has no more.
    ///
    /// The body returns `()` or a `Result`, see [`BodyResult`]. An error, a panic and a run beyond
    /// [`max_run`](Self::max_run) are failures. They are recorded and emitted as events, and the
    /// job continues. While no quorum answers, it tries again.
    ///
    /// # Errors
    /// [`is_invalid`](Error::is_invalid) if the name is not a valid key, an option is out of
    /// bounds, the schedule has no firing in the future or within `catch_up`, or its instants do not advance, or a later version
    /// of this crate wrote the record; [`is_closed`](Error::is_closed).
    ///
    /// # Cancel safety
    /// Dropping the future drops the body, whose firing counts as crashed, and releases the lock in
    /// the background. To end after the running body instead, [`spawn`](Self::spawn) the job and
    /// [`stop`](JobHandle::stop) it.
    pub async fn run<F, B>(self, body: F) -> Result<()>
    where
        F: FnMut(Firing, Held) -> B,
        B: Future,
        B::Output: BodyResult,
    {
        self.run_under(watch::Sender::default(), body).await
    }

    /// [Runs](Self::run) the job in a task. Returns a handle to it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn<F, B>(self, body: F) -> JobHandle
    where
        F: FnMut(Firing, Held) -> B + Send + 'static,
        B: Future + Send + 'static,
        B::Output: BodyResult,
    {
        let control = watch::Sender::default();
        let task = tokio::spawn(self.run_under(control.clone(), body));
        JobHandle::new(control, task)
    }

    async fn run_under<F, B>(self, control: watch::Sender<runner::Control>, body: F) -> Result<()>
    where
        F: FnMut(Firing, Held) -> B,
        B: Future,
        B::Output: BodyResult,
    {
        let Definition {
            redlock,
            name,
            key,
            schedule,
        } = &self.definition;
        let core = redlock.core();
        core.key(key)?;
        let options = self.settings.checked(core, name)?;
        let (now, rules) = (self.definition.now(), &options.rules);
        let oldest = rules.oldest(rules.due_by(now));
        let fires_after = |after| schedule::following(&**schedule, after).map(|at| at.is_some());
        if !fires_after(now)? && !fires_after(oldest.saturating_sub(1))? {
            return Err(Error::invalid_config(format!(
                "the schedule of the job `{}` has no firing in the future, and none within its catch_up",
                name.escape_debug()
            )));
        }
        Runner::new(self.definition, options, control)
            .run(body)
            .await
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("name", &self.definition.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
