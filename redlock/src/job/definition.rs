//! The definition of a job: its name, its lock and its schedule.

use std::sync::Arc;

use super::schedule::Schedule;
use crate::{client::Redlock, label::Label};

/// The prefix of the locks of jobs.
const PREFIX: &str = "job:";

/// The key of the lock of a job, whose register has its record.
pub(super) fn key_of(name: &str) -> String {
    [PREFIX, name].concat()
}

#[derive(Clone)]
pub(super) struct Definition {
    pub(super) redlock: Redlock,
    pub(super) name: String,
    pub(super) key: String,
    pub(super) schedule: Arc<dyn Schedule>,
}

impl Definition {
    pub(super) fn label(&self) -> Option<String> {
        let label = self.redlock.core().defaults.label.as_ref();
        label.map(Label::as_str).map(str::to_owned)
    }
}
