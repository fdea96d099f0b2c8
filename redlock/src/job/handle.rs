//! The handle of a job that runs in its own task.

use std::{fmt, panic::resume_unwind};

use tokio::{sync::watch, task::JoinHandle};

use super::runner::Control;
use crate::error::Result;

/// The handle of a job that runs in its own task in this process. Created by
/// [`Job::spawn`](super::Job::spawn). If the handle is dropped, the job continues.
pub struct JobHandle {
    control: watch::Sender<Control>,
    task: JoinHandle<Result<()>>,
}

impl JobHandle {
    pub(super) fn new(control: watch::Sender<Control>, task: JoinHandle<Result<()>>) -> Self {
        Self { control, task }
    }

    /// Begins no firing in this process until [`resume`](Self::resume). A running body and the
    /// other replicas continue.
    pub fn pause(&self) {
        self.control.send_modify(|control| control.paused = true);
    }

    /// Continues after [`pause`](Self::pause). Firings that were due meanwhile, and that no other
    /// replica ran, count as missed.
    pub fn resume(&self) {
        self.control.send_modify(|control| control.paused = false);
    }

    /// Requests a run now, in addition to the schedule. Its instant is the time at which it begins.
    /// It waits for a body that runs on any replica, and for firings that are due. Several calls
    /// before it begins result in one run.
    pub fn trigger(&self) {
        self.control.send_modify(|control| control.triggers += 1);
    }

    /// Whether the job has ended: its schedule has no more firings, or it failed with an error that
    /// [`stop`](Self::stop) returns.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Begins no more firings in this process, and waits until the running body has ended and its
    /// end is recorded.
    ///
    /// # Errors
    /// The error with which the job ended before, see [`Job::run`](super::Job::run).
    ///
    /// # Panics
    /// If the schedule of the job panicked. A panic of the body is a failed run.
    ///
    /// # Cancel safety
    /// Once the future was polled, the job stops, even if the future is dropped.
    pub async fn stop(self) -> Result<()> {
        self.control.send_modify(|control| control.stopped = true);
        match self.task.await {
            Ok(ended) => ended,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime of the task has ended.
                Err(_) => Ok(()),
            },
        }
    }
}

impl fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle")
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
