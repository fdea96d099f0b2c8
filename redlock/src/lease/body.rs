//! What runs under a hold. While the key is kept, a lost lease is released behind its bodies: whoever comes next does not
//! run beside one that has not stopped yet, and what it owned is dropped before.

use std::{sync::Arc, time::Duration};

use super::{Hold, LOST};
use crate::{env::sync::lock, events::lock as events};

/// A body that runs on for this long after its lock was lost, since it does not come to an await, is worth a warning.
const RAN_ON: Duration = Duration::from_millis(100);

/// The bodies that run under a hold: nested ones too.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    running: u32,
    /// What the outermost is called.
    name: &'static str,
}

impl Bodies {
    /// The name of the outermost, if one runs.
    pub(super) fn running(&self) -> Option<&'static str> {
        (self.running > 0).then_some(self.name)
    }
}

/// A body runs under the hold as long as this lives.
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
        if !last || !self.hold.is(LOST) {
            return;
        }
        let ran_on = self.hold.since_lost();
        if ran_on >= RAN_ON {
            events::body_ran_on(self.hold.lease.key(), self.name, ran_on);
        }
        self.hold.lease.part();
    }
}
