//! What the connections to the servers of one cluster share.

use std::{
    sync::{Arc, Mutex, Weak, atomic::AtomicU64},
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify};

use super::{
    super::{
        NodeState, Nodes,
        connection::{Connection, ConnectionTasks, FirstContact},
        redis::Target,
        trust::moves::MoveGuard,
    },
    map::{Map, Shard},
};
use crate::{
    env::{
        clock::{Clock, Instant},
        sync::lock,
    },
    fault::Fault,
    quorum::restart_guard::{self, RestartGuard},
};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) index: usize,
    pub(super) target: Target,
    pub(super) nodes: Weak<Nodes>,
    pub(super) timeout: Duration,
    pub(super) inbox: Arc<str>,
    pub(super) contact: Arc<FirstContact>,
    pub(super) runtime: Handle,
    pub(super) clock: Clock,
    /// For how long votes count after the map was confirmed, and for how long slots have no vote
    /// after a move. `None` if every vote counts.
    pub(super) trust: Option<(Duration, MoveGuard)>,
    pub(super) map: Mutex<Map>,
    /// Until when the map is confirmed, in microseconds of the clock.
    pub(super) confirmed: AtomicU64,
    /// The epoch of the map.
    pub(super) epoch: AtomicU64,
    /// The map may be out of date.
    pub(super) doubted: Notify,
    /// The handle is gone: until when releases are still delivered.
    closed: Mutex<Option<Instant>>,
    linger: Duration,
}

impl Shared {
    pub(super) fn new(
        nodes: &Arc<Nodes>,
        index: usize,
        target: &Target,
        inbox: &Arc<str>,
        contact: &Arc<FirstContact>,
        runtime: &Handle,
    ) -> Self {
        let confirmed_for = restart_guard::confirmed_for(nodes.skew);
        let guard = MoveGuard {
            time: restart_guard::after_a_move(nodes.max_ttl, nodes.skew),
            absence: confirmed_for,
        };
        Self {
            clock: nodes.clock,
            trust: (nodes.guard == RestartGuard::Observed).then_some((confirmed_for, guard)),
            confirmed: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            index,
            target: target.clone(),
            nodes: Arc::downgrade(nodes),
            timeout: nodes.timeout,
            inbox: Arc::clone(inbox),
            contact: Arc::clone(contact),
            runtime: runtime.clone(),
            map: Mutex::default(),
            doubted: Notify::new(),
            closed: Mutex::default(),
            linger: nodes.max_ttl,
        }
    }

    /// The handle is gone.
    pub(super) fn close(&self) {
        *lock(&self.closed) = Some(self.clock.now().after(self.linger));
        self.doubted.notify_one();
    }

    /// Whether the handle is gone and nothing is on its way to a server. Called by the one task that watches.
    pub(super) fn is_done(self: &Arc<Self>) -> bool {
        let Some(until) = *lock(&self.closed) else {
            return false;
        };
        // Each operation on its way has a reference, and so has each pause before another try.
        let is_idle = || {
            Arc::weak_count(self) == 0
                && Arc::strong_count(self) == 1
                && lock(&self.map).early.is_empty()
        };
        self.clock.now() >= until || is_idle()
    }

    /// A connection to a server.
    pub(super) fn shard(
        &self,
        nodes: &Arc<Nodes>,
        state: Arc<NodeState>,
        id: Arc<str>,
    ) -> Option<Shard> {
        let target = self.target.server(state.name())?;
        let (connection, task) = Connection::start(
            nodes,
            self.index,
            &state,
            &target,
            &self.inbox,
            &self.contact,
        );
        nodes.spawn(&self.runtime, ConnectionTasks::new(vec![task]));
        Some(Shard {
            server: state.name().into(),
            id,
            state,
            connection: Arc::new(connection),
        })
    }
}

/// `fault`, with the name of the server.
pub(super) fn of_server(server: &str, fault: &Fault) -> Fault {
    Fault {
        text: format!("{server}: {fault}").into(),
        ..fault.clone()
    }
}
