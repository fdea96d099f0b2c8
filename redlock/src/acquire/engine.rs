//! The engine: what all handles and requests of one client share.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use super::{
    admission::Admission, local_queue::LocalQueue, newest::Watches, shared_holds::SharedHolds,
};
use crate::{core::Core, env::clock::Instant, lease::renewal::Renewers, node::ClientTask};

pub(crate) struct Engine {
    pub(crate) core: Arc<Core>,
    pub(crate) queue: Arc<LocalQueue>,
    pub(crate) renewers: Arc<Renewers>,
    pub(super) admission: Admission,
    pub(super) shared: Arc<SharedHolds>,
    /// Of the holds that a newer request supersedes.
    pub(super) watches: Arc<Watches>,
    /// When the client was built.
    pub(super) since: Instant,
}

impl Engine {
    pub(crate) fn new(core: Core) -> Self {
        let renewers = Arc::new(Renewers::new(&core.connection_sets));
        let watches = Arc::new(Watches::new(&core.connection_sets));
        for task in [
            Arc::downgrade(&renewers) as Weak<dyn ClientTask>,
            Arc::downgrade(&watches) as Weak<dyn ClientTask>,
        ] {
            core.connection_sets.continue_in_new_runtimes(task);
        }
        Self {
            renewers,
            watches,
            since: core.now(),
            core: Arc::new(core),
            queue: Arc::default(),
            admission: Admission::default(),
            shared: Arc::default(),
        }
    }
}

impl fmt::Debug for Engine {
    /// Shows how many keys there are, but not the keys, which may be secrets.
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
