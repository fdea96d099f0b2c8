//! The bodies that run under a hold. A lost lease is released once they have ended.

use std::{sync::Arc, time::Duration};

use super::Hold;
use crate::{env::sync::lock, events::lock as events};

/// A body that does not await, and so goes on for this long after its lock was lost, is worth a warning.
const LATE: Duration = Duration::from_millis(100);

/// The running bodies of a hold; more than one where they are nested.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    running: u32,
    /// The name of the outermost.
    name: &'static str,
}

impl Bodies {
    /// The name of the outermost body, if one runs.
    pub(super) fn running(&self) -> Option<&'static str> {
        (self.running > 0).then_some(self.name)
    }
}

/// Registers a body with its hold until it is dropped.
#[derive(Debug)]
pub(crate) struct Body {
    hold: Arc<Hold>,
    name: &'static str,
}

impl Body {
    pub(crate) fn new(hold: Arc<Hold>, name: &'static str) -> Self {
        let mut bodies = lock(&hold.bodies);
        if bodies.running == 0 {
            bodies.name = name;
        }
        bodies.running += 1;
        drop(bodies);
        Self { hold, name }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let last = {
            let mut bodies = lock(&self.hold.bodies);
            bodies.running -= 1;
            bodies.running == 0
        };
        if !last || !self.hold.was_lost() {
            return;
        }
        let ran_on = self.hold.since_lost();
        if ran_on >= LATE {
            events::body_ran_on(self.hold.lease.key(), self.name, ran_on);
        }
        self.hold.lease.release_lost();
    }
}
