//! A Redis Cluster as one node: a connection to each of its masters, and the map of slots that says whose a key is.
//!
//! So a shard that hangs or is gone holds up nobody else's keys, and each has the votes, the quarantine and the deferred
//! releases of its own server.
//!
//! A vote counts if it is the vote of the server that the map names, if the map was confirmed by a majority of the masters
//! not long ago, and if the slot has not moved within the guard time.

mod fan_out;
mod map;
mod redirect;
mod route;
mod trust;
mod watch;

use std::{
    sync::{Arc, Mutex, Weak, atomic::AtomicU64},
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify};

use super::{
    NodeState, Nodes, Operation,
    connection::{Connection, ConnectionTasks, FirstContact},
    redis::{Surveyor, Target, slot_of},
    trust::moves::MoveGuard,
};
use crate::fault::Fault;
use crate::{
    env::{clock::Clock, sync::lock},
    key::Key,
    quorum::restart_guard::{self, RestartGuard},
};
use map::{Map, Shard};
use redirect::Trip;

/// How many looks at the map may fail until it is not confirmed any more.
const LOOKS: u32 = 4;

/// The connections to the servers of one cluster. Dropped: they send what waits and end.
#[derive(Debug)]
pub(super) struct Shards(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    index: usize,
    target: Target,
    nodes: Weak<Nodes>,
    timeout: Duration,
    inbox: Arc<str>,
    contact: Arc<FirstContact>,
    runtime: Handle,
    clock: Clock,
    /// For how long votes count after the map was confirmed, and slots have no vote after they moved; `None` where every
    /// vote counts.
    trust: Option<(Duration, MoveGuard)>,
    map: Mutex<Map>,
    /// Until when the map is confirmed, in microseconds of the clock.
    confirmed: AtomicU64,
    /// The epoch of the map.
    epoch: AtomicU64,
    /// The map may be out of date.
    doubted: Notify,
}

impl Shards {
    pub(super) fn start(
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
        let shared = Arc::new(Shared {
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
        });
        let every = confirmed_for / LOOKS;
        runtime.spawn(watch::watch(
            Arc::downgrade(&shared),
            Surveyor::new(target),
            every,
        ));
        Self(shared)
    }

    pub(super) fn submit(&self, op: Operation) {
        self.0.submit(op, Trip::default());
    }

    /// There is more to say than what was submitted.
    pub(super) fn wake(&self) {
        for shard in &lock(&self.0.map).shards {
            shard.connection.wake();
        }
    }

    /// Whether the server that has the key tells the inbox what is free.
    pub(super) fn is_subscribed(&self, key: &Key) -> bool {
        let map = lock(&self.0.map);
        let shard = map.shard_of(slot_of(key.lock()));
        shard.is_some_and(|shard| shard.connection.is_subscribed())
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        self.0.doubted.notify_one();
    }
}

impl Shared {
    /// A way to a server.
    fn shard(&self, nodes: &Arc<Nodes>, state: Arc<NodeState>, id: Arc<str>) -> Option<Shard> {
        let target = self.target.server(state.name())?;
        let (connection, task) = Connection::start(
            nodes,
            self.index,
            &state,
            &target,
            &self.inbox,
            &self.contact,
        );
        self.runtime.spawn(ConnectionTasks::new(vec![task]));
        Some(Shard {
            server: state.name().into(),
            id,
            state,
            connection: Arc::new(connection),
        })
    }
}

fn of_server(server: &str, fault: &Fault) -> Fault {
    Fault {
        text: format!("{server}: {fault}").into(),
        ..fault.clone()
    }
}
