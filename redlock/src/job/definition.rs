//! The definition of a job: its name, its lock and its schedule.

use std::{sync::Arc, time::Duration};

use super::schedule::Schedule;
use crate::{client::Redlock, label::Label};

/// The prefix of the locks of jobs.
const PREFIX: &str = "job:";

/// The longest sleep before the clock of the nodes is looked at again.
const NAP: Duration = Duration::from_secs(30);

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

    /// Microseconds since 1970, by the clock of the nodes.
    pub(super) fn now(&self) -> u64 {
        let core = self.redlock.core();
        core.nodes.tokens.micros(core.now())
    }

    pub(super) async fn sleep_until(&self, at: u64) {
        loop {
            let left = Duration::from_micros(at.saturating_sub(self.now()));
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(NAP)).await;
        }
    }
}
