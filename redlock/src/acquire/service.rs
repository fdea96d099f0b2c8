//! A client whole: its core, the lines of those who wait, and the keepers of what is held.

use std::{fmt, sync::Arc};

use crate::{
    acquire::{admission::Admission, local_queue::Queue},
    core::Core,
    lease::renewal::Renewers,
};

/// What all handles and requests of a client share.
pub(crate) struct Service {
    pub(crate) core: Arc<Core>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) renewers: Arc<Renewers>,
    /// The attempts in flight.
    pub(crate) admission: Admission,
}

impl Service {
    pub(crate) fn new(core: Core) -> Self {
        Self {
            renewers: Arc::new(Renewers::new(&core.nodes)),
            core: Arc::new(core),
            queue: Arc::default(),
            admission: Admission::default(),
        }
    }
}

impl fmt::Debug for Service {
    /// The nodes, and how many keys are held or wanted here; not which ones, since they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = &self.core.nodes;
        let names: Vec<_> = nodes.states.iter().map(|state| state.name()).collect();
        f.debug_struct("Redlock")
            .field("nodes", &names)
            .field("quorum", &nodes.quorum())
            .field("namespace", &self.core.defaults.namespace)
            .field("keys", &self.queue.len())
            .finish_non_exhaustive()
    }
}
