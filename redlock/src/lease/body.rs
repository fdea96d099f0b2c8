//! The bodies that run under a hold. A lost lease is released once they have ended.

use std::{sync::Arc, time::Duration};

use super::Hold;
use crate::{env::sync::lock, events::lock as events};

/// A body that does not await, and so continues for this long after its lock was lost, is worth a warning.
const LATE: Duration = Duration::from_millis(100);

/// Registers a body with its hold until it is dropped.
#[derive(Debug)]
pub(crate) struct Body {
    hold: Arc<Hold>,
    name: &'static str,
}

impl Body {
    pub(crate) fn new(hold: Arc<Hold>, name: &'static str) -> Self {
        lock(hold.bodies()).started(name);
        Self { hold, name }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let was_last = lock(self.hold.bodies()).ended();
        if !was_last || !self.hold.was_lost() {
            return;
        }
        let ran_on = self.hold.lease.since_lost();
        if ran_on >= LATE {
            events::body_ran_on(self.hold.lease.key(), self.name, ran_on);
        }
        self.hold.lease.release_lost();
    }
}
