//! The connections of a client, one set for each runtime that uses it.
//!
//! What a caller awaits is driven by the caller's own runtime, so a client outlives the runtime that built it and
//! works in several side by side.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    sync::oneshot,
};

#[cfg(feature = "cluster")]
use super::shards::Shards;
use super::{
    Lists, NodeState, Notifications, Operation, Outbox, Strict, Target,
    connection::{Connection, ConnectionTasks, FirstContact},
    trust::state::{self, Forgot},
};
use crate::command::Reply;
use crate::fault::{Fault, FaultKind};
use crate::{
    env::{
        background::Background,
        clock::{Clock, Instant},
        random::{Random, unique},
        sync::lock,
    },
    key::Key,
    memory::Freezer,
    mutant::{self, Mutant},
    quorum::{
        node_set::quorum,
        restart_guard::{self, RestartGuard},
        token_clock::TokenClock,
    },
};

/// The nodes of a client, and what it knows of them.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) places: Vec<Target>,
    pub(crate) states: Arc<[Arc<NodeState>]>,
    pub(crate) lists: Arc<Lists>,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    /// What may freeze the tasks of this client: its nodes in memory.
    pub(crate) freezer: Option<Arc<Freezer>>,
    pub(crate) tokens: TokenClock,
    pub(crate) guard: RestartGuard,
    pub(crate) max_ttl: Duration,
    pub(crate) skew: Duration,
    /// How long a node may take for an operation, and for connecting.
    pub(crate) timeout: Duration,
    /// Set where the restart guard is strict.
    pub(crate) strict: Option<Strict>,
    /// How long a fence is remembered after its last use.
    pub(crate) retention: Duration,
    /// Who waits here to be woken.
    pub(crate) notifications: Arc<Notifications>,
    /// What stands before all keys.
    #[cfg(feature = "cluster")]
    pub(crate) namespace: String,
    /// What stands before the inboxes of processes, as channels.
    pub(crate) channel: String,
    pub(crate) connection_sets: Mutex<Vec<(Id, Arc<ConnectionSet>)>>,
    /// What no runtime has taken on.
    pub(crate) outbox: Arc<Outbox>,
    /// Where the client has a thread of its own for renewals.
    pub(crate) background: Option<Background>,
}

impl Nodes {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn quorum(&self) -> usize {
        quorum(self.places.len())
    }

    /// How long the first contact may take: each step of connecting has a node time-out.
    pub(crate) fn contact_within(&self) -> Duration {
        const STEPS: u32 = 12;
        self.timeout.saturating_mul(STEPS)
    }

    /// Spawns a task that is frozen where the nodes in memory freeze their clients.
    pub(crate) fn spawn(&self, runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) {
        match self.freezer.clone() {
            Some(freezer) => drop(runtime.spawn(freezer.task(task))),
            None => drop(runtime.spawn(task)),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn guard_time(&self) -> Duration {
        restart_guard::guard_time(self.max_ttl, self.skew)
    }

    /// Takes note of who answered a new connection to node `index`.
    pub(crate) fn record_handshake(&self, index: usize, state: &NodeState, info: &super::Info) {
        let now = self.now();
        let (age, round_trip) = info
            .answered
            .map_or_else(Default::default, |(at, trip)| (at.elapsed(), trip));
        // A reply that was stalled for longer than clocks may lie apart tells nothing.
        if info.time > 0 && round_trip <= self.skew.max(self.timeout) {
            self.tokens.calibrate(index, info.time, now.before(age));
        }
        state::record_handshake(
            &self.states,
            index,
            state,
            info,
            now,
            if mutant::on(Mutant::NoGuard) {
                RestartGuard::Off
            } else {
                self.guard
            },
            self.guard_time(),
        );
    }

    /// A node, or a server of one, may have forgotten locks just now.
    pub(crate) fn forget(&self, state: &NodeState, why: Forgot) {
        if !mutant::on(Mutant::NoGuard) {
            state.forget(why, self.now(), self.guard, self.guard_time());
        }
    }

    /// There is more to announce: connections that are idle do so now.
    pub(crate) fn announce(&self) {
        let connection_sets: Vec<_> = lock(&self.connection_sets)
            .iter()
            .map(|(_, connections)| Arc::clone(connections))
            .collect();
        for way in connection_sets
            .iter()
            .flat_map(|connections| &connections.per_node)
        {
            match way {
                NodeConnection::Connection(connection) => connection.wake(),
                #[cfg(feature = "cluster")]
                NodeConnection::Shards(shards) => shards.wake(),
            }
        }
    }

    /// The connections of the runtime that this is called in, made where there are none yet.
    pub(crate) fn connections(self: &Arc<Self>) -> Option<Arc<ConnectionSet>> {
        let runtime = Handle::try_current().ok()?;
        let mut connection_sets = lock(&self.connection_sets);
        if let Some((_, connections)) = connection_sets
            .iter()
            .find(|(id, connections)| *id == runtime.id() && connections.is_alive())
        {
            let connections = Arc::clone(connections);
            drop(connection_sets);
            connections.deliver(&self.outbox);
            return Some(connections);
        }
        connection_sets.retain(|(_, connections)| connections.is_alive());
        let sockets = self.places.iter().any(|place| place.memory().is_none());
        if !super::runtime::is_able(sockets) {
            return None;
        }
        let connections = Arc::new(ConnectionSet::start(self, &runtime));
        connection_sets.push((runtime.id(), Arc::clone(&connections)));
        drop(connection_sets);
        connections.deliver(&self.outbox);
        let (outbox, carrier) = (Arc::clone(&self.outbox), Arc::downgrade(&connections));
        runtime.spawn(async move {
            let deliver = || {
                let connections = carrier.upgrade();
                connections
                    .inspect(|connections| connections.deliver(&outbox))
                    .is_some()
            };
            outbox.watch(deliver).await;
        });
        Some(connections)
    }

    /// The connections for what ends a lock that was acquired over `own`: those of the runtime that this is called in,
    /// and outside of one those of whichever runtime runs next.
    pub(crate) fn connections_for_release(
        self: &Arc<Self>,
        own: &Arc<ConnectionSet>,
    ) -> Arc<ConnectionSet> {
        if own.is_current() {
            return Arc::clone(own);
        }
        self.connections()
            .unwrap_or_else(|| Arc::new(ConnectionSet::nowhere(&self.outbox)))
    }

    /// Whether the client has connections in more than one runtime, also in one that has ended.
    pub(crate) fn is_used_in_several_runtimes(&self) -> bool {
        lock(&self.connection_sets).len() > 1
    }

    /// The runtimes that go on, in which the client has been used.
    pub(crate) fn runtimes(&self) -> Vec<Handle> {
        let connection_sets = lock(&self.connection_sets);
        let alive = connection_sets
            .iter()
            .filter(|(_, connections)| connections.is_alive());
        alive
            .filter_map(|(_, connections)| connections.runtime.clone())
            .collect()
    }
}

/// The way to each node from one runtime.
#[derive(Debug)]
pub(crate) struct ConnectionSet {
    per_node: Vec<NodeConnection>,
    contact: Arc<FirstContact>,
    /// The channel on which the nodes notify this process, over these connections, that a lock is free.
    inbox: Arc<str>,
    /// `None` where there is none to drive anything: all goes to the outbox.
    runtime: Option<Handle>,
    /// Closed when the runtime ended.
    alive: oneshot::Sender<()>,
    outbox: Arc<Outbox>,
}

#[derive(Debug)]
enum NodeConnection {
    Connection(Connection),
    #[cfg(feature = "cluster")]
    Shards(Shards),
}

/// A name for the channel of this process that no other process has, nor a copy of this one.
fn inbox(random: &Random) -> Arc<str> {
    let unique = u64::from_ne_bytes(unique().unwrap_or_default());
    match random {
        Random::System => format!("{unique:016x}").into(),
        // Waiters of the same instant are notified in the order of their names, which have to follow from the seed.
        Random::Seeded(_) => format!("{:016x}{unique:016x}", random.draw::<u64>()).into(),
    }
}

impl Drop for ConnectionSet {
    fn drop(&mut self) {
        // The client is gone. What waits goes with these connections, which deliver it before they end.
        if self.runtime.is_some() && self.is_alive() {
            self.deliver(&self.outbox);
        }
        // Ends the task that delivers for them.
        self.outbox.wake();
    }
}

impl ConnectionSet {
    fn start(nodes: &Arc<Nodes>, runtime: &Handle) -> Self {
        let inbox = inbox(&nodes.random);
        let contact = Arc::new(FirstContact::new());
        let mut tasks = Vec::new();
        let per_node = nodes
            .places
            .iter()
            .enumerate()
            .map(|(index, place)| match place {
                #[cfg(feature = "cluster")]
                target if target.is_cluster() => NodeConnection::Shards(Shards::start(
                    nodes, index, target, &inbox, &contact, runtime,
                )),
                target => {
                    let state = &nodes.states[index];
                    let (connection, task) =
                        Connection::start(nodes, index, state, target, &inbox, &contact);
                    tasks.push(task);
                    NodeConnection::Connection(connection)
                }
            })
            .collect();
        if !tasks.is_empty() {
            nodes.spawn(runtime, ConnectionTasks::new(tasks));
        }
        // The other end lives in a task, which ends with its runtime or with this driver.
        let (alive, ended) = oneshot::channel();
        runtime.spawn(ended);
        Self {
            per_node,
            contact,
            inbox,
            runtime: Some(runtime.clone()),
            alive,
            outbox: Arc::clone(&nodes.outbox),
        }
    }

    /// Waits for the first contact with the nodes, which takes longer than a command: until a majority is connected or
    /// cannot be, for `within` at most. Cancel safe.
    pub(crate) async fn first_contact(&self, nodes: &Nodes, within: Duration) {
        let made = self.contact.made(nodes.len(), nodes.quorum());
        let _ = tokio::time::timeout(within, made).await;
    }

    /// No connections: what must arrive waits for a runtime.
    fn nowhere(outbox: &Arc<Outbox>) -> Self {
        Self {
            per_node: Vec::new(),
            contact: Arc::new(FirstContact::new()),
            inbox: "".into(),
            runtime: None,
            alive: oneshot::channel().0,
            outbox: Arc::clone(outbox),
        }
    }

    /// Whether this is called in the runtime that drives these connections, and that goes on.
    pub(crate) fn is_current(&self) -> bool {
        let own = self.runtime.as_ref().map(Handle::id);
        own.is_some()
            && own == Handle::try_current().ok().map(|runtime| runtime.id())
            && self.is_alive()
    }

    /// Sends what waits for any runtime.
    fn deliver(&self, outbox: &Outbox) {
        for op in outbox.take() {
            self.submit(op);
        }
    }

    pub(crate) fn inbox(&self) -> &Arc<str> {
        &self.inbox
    }

    /// On how many nodes the inbox is subscribed to notifications of `key`.
    #[cfg_attr(not(feature = "cluster"), expect(unused_variables))]
    pub(crate) fn is_subscribed(&self, key: &Key) -> usize {
        let is_subscribed = |way: &&NodeConnection| match way {
            NodeConnection::Connection(connection) => connection.is_subscribed(),
            #[cfg(feature = "cluster")]
            NodeConnection::Shards(shards) => shards.is_subscribed(key),
        };
        self.per_node.iter().filter(is_subscribed).count()
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.alive.is_closed()
    }

    /// Sends a call to a node. Never blocks; the answer goes to the ballot, at once perhaps.
    pub(crate) fn submit(&self, op: Operation) {
        if op.must_arrive() && !self.is_alive() {
            self.outbox.push([op.clone()]);
            let fault = Fault::unknown(FaultKind::Unreachable, "no runtime drives connections");
            return op.answer(Reply::Failed(fault));
        }
        match self.per_node.get(op.node) {
            Some(NodeConnection::Connection(connection)) => connection.submit(op),
            #[cfg(feature = "cluster")]
            Some(NodeConnection::Shards(shards)) => shards.submit(op),
            None => {}
        }
    }
}
