//! A client whole: its core, the lines of those who wait, and the keepers of what is held.

use std::sync::Arc;

use crate::{core::Core, keeper::Keepers, queue::Queue};

/// What all handles and requests of a client share.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) core: Arc<Core>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) keepers: Keepers,
}

impl Service {
    pub(crate) fn new(core: Core) -> Self {
        Self {
            core: Arc::new(core),
            queue: Arc::default(),
            keepers: Keepers::default(),
        }
    }
}
