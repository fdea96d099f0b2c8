//! The connections of one runtime to all nodes.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::oneshot};

#[cfg(feature = "cluster")]
use super::cluster::Cluster;
use super::{
    Nodes, Operation, Outbox,
    connection::{Connection, ConnectionTasks, FirstContact},
};
use crate::{
    command::Reply,
    env::random::{Random, unique},
    fault::Fault,
    key::Key,
};

/// The connections of one runtime.
#[derive(Debug)]
pub(crate) struct ConnectionSet {
    per_node: Vec<NodeConnection>,
    contact: Arc<FirstContact>,
    /// The channel on which the nodes notify this process, over these connections, that a lock is free.
    inbox: Arc<str>,
    /// `None` outside of a runtime: everything goes to the outbox.
    runtime: Option<Handle>,
    /// Closed when the runtime or the task of the connections has ended.
    alive: oneshot::Sender<()>,
    outbox: Arc<Outbox>,
}

#[derive(Debug)]
enum NodeConnection {
    Connection(Connection),
    #[cfg(feature = "cluster")]
    Cluster(Cluster),
}

/// A name for the channel of this process that no other process has, not even a copy of this one.
fn inbox(random: &Random) -> Arc<str> {
    let unique = u64::from_ne_bytes(unique().unwrap_or_default());
    match random {
        Random::System => format!("{unique:016x}").into(),
        // Waiters of the same instant are notified in the order of their names, so the names have
        // to follow from the seed.
        Random::Seeded(_) => format!("{:016x}{unique:016x}", random.draw::<u64>()).into(),
    }
}

impl Drop for ConnectionSet {
    fn drop(&mut self) {
        // The client is gone. These connections deliver what waits before they end.
        if self.runtime.is_some() && self.is_alive() {
            self.deliver(&self.outbox);
        }
        // Ends the task that delivers for this set.
        self.outbox.wake();
    }
}

impl ConnectionSet {
    pub(super) fn start(nodes: &Arc<Nodes>, runtime: &Handle) -> Self {
        let inbox = inbox(&nodes.random);
        let contact = Arc::new(FirstContact::new());
        let mut tasks = Vec::new();
        let per_node = nodes
            .targets
            .iter()
            .enumerate()
            .map(|(index, target)| match target {
                #[cfg(feature = "cluster")]
                target if target.is_cluster() => NodeConnection::Cluster(Cluster::start(
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
        // The other end is owned by a task, which ends with its runtime or with this set. The next use makes new connections
        // then.
        let (alive, ended) = oneshot::channel();
        if tasks.is_empty() {
            runtime.spawn(ended);
        } else {
            let connections = ConnectionTasks::new(tasks);
            nodes.spawn(runtime, async move {
                connections.await;
                drop(ended);
            });
        }
        Self {
            per_node,
            contact,
            inbox,
            runtime: Some(runtime.clone()),
            alive,
            outbox: Arc::clone(&nodes.outbox),
        }
    }

    /// Waits for the first contact with the nodes, which takes longer than a command: until a
    /// majority is connected or can no longer be, for at most `within`. Cancel safe.
    pub(crate) async fn first_contact(&self, nodes: &Nodes, within: Duration) {
        let made = self.contact.made(nodes.len(), nodes.quorum());
        let _ = tokio::time::timeout(within, made).await;
    }

    /// No connections: releases wait for a runtime.
    pub(super) fn disconnected(outbox: &Arc<Outbox>) -> Self {
        Self {
            per_node: Vec::new(),
            contact: Arc::new(FirstContact::new()),
            inbox: "".into(),
            runtime: None,
            alive: oneshot::channel().0,
            outbox: Arc::clone(outbox),
        }
    }

    /// Whether the current runtime drives these connections and has not ended.
    pub(crate) fn is_current(&self) -> bool {
        let own = self.runtime.as_ref().map(Handle::id);
        own.is_some()
            && own == Handle::try_current().ok().map(|runtime| runtime.id())
            && self.is_alive()
    }

    /// Sends what waits in the outbox.
    pub(super) fn deliver(&self, outbox: &Outbox) {
        for op in outbox.take() {
            self.submit(op);
        }
    }

    /// The runtime that drives these connections.
    pub(super) fn runtime(&self) -> Option<&Handle> {
        self.runtime.as_ref()
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
            NodeConnection::Cluster(cluster) => cluster.is_subscribed(key),
        };
        self.per_node.iter().filter(is_subscribed).count()
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.alive.is_closed()
    }

    /// Sends an operation to its node. Never blocks. The reply goes to the sink of the operation, possibly at once.
    pub(crate) fn submit(&self, op: Operation) {
        if op.must_arrive() && !self.is_alive() {
            self.outbox.push([op.clone()]);
            let fault = Fault::no_runtime();
            return op.answer(Reply::Failed(fault));
        }
        match self.per_node.get(op.node) {
            Some(NodeConnection::Connection(connection)) => connection.submit(op),
            #[cfg(feature = "cluster")]
            Some(NodeConnection::Cluster(cluster)) => cluster.submit(op),
            None => {}
        }
    }
}
