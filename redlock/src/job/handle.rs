//! The handle of a job that runs in a task of its own.

use std::fmt;

use tokio::{sync::watch, task::JoinHandle};

use super::runner::Control;
use crate::error::Result;

/// A job in a task of its own, in this process. Made by [`Job::spawn`](super::Job::spawn). Dropping it lets the job go on.
pub struct JobHandle {
    control: watch::Sender<Control>,
    task: JoinHandle<Result<()>>,
}

impl JobHandle {
    pub(super) fn new(control: watch::Sender<Control>, task: JoinHandle<Result<()>>) -> Self {
        Self { control, task }
    }

    /// Begins no firing in this process until [`resume`](Self::resume). Other replicas go on, and a body that runs goes on too.
    pub fn pause(&self) {
        self.control.send_modify(|control| control.paused = true);
    }

    /// Goes on after [`pause`](Self::pause). What was due meanwhile, and run by no other replica, counts as missed.
    pub fn resume(&self) {
        self.control.send_modify(|control| control.paused = false);
    }

    /// Asks for a run now, beside the schedule: its instant is the time at which it begins. It waits for a body that runs on any
    /// replica and for firings that are due. Several calls before it begins are one.
    pub fn trigger(&self) {
        self.control.send_modify(|control| control.triggers += 1);
    }

    /// Whether the job has ended: its schedule has no further firing, or it failed, which [`stop`](Self::stop) returns.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Begins no further firing in this process, and waits until the body that runs has ended and its end is recorded.
    ///
    /// # Errors
    /// That with which the job had ended before, as [`Job::run`](super::Job::run).
    ///
    /// # Cancel safety
    /// Once polled, the job stops, also if the future is dropped.
    pub async fn stop(self) -> Result<()> {
        self.control.send_modify(|control| control.stopped = true);
        // An error means that the runtime of the task has ended.
        self.task.await.unwrap_or(Ok(()))
    }
}

impl fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle")
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
