//! The connections of a client, one set for each runtime that uses it.
//!
//! What a caller awaits is driven by the caller's own runtime, so a client outlives the runtime that built it and
//! works in several side by side.

use std::{
    fmt,
    sync::{Arc, Mutex, Weak},
};

use tokio::runtime::{Handle, Id};

use super::{ConnectionSet, Nodes, runtime};
use crate::env::sync::lock;

/// Work of a client that outlives the runtime which began it.
pub(crate) trait ClientTask: fmt::Debug + Send + Sync {
    /// Continues in the current runtime, which uses the client from now on.
    fn continue_here(self: Arc<Self>);
}

/// The nodes of a client, and its connections to them in each runtime.
#[derive(Debug)]
pub(crate) struct ConnectionSets {
    nodes: Arc<Nodes>,
    sets: Mutex<Vec<(Id, Arc<ConnectionSet>)>>,
    /// A few for each client.
    client_tasks: Mutex<Vec<Weak<dyn ClientTask>>>,
}

impl ConnectionSets {
    pub(crate) fn new(nodes: Arc<Nodes>) -> Self {
        Self {
            nodes,
            sets: Mutex::default(),
            client_tasks: Mutex::default(),
        }
    }

    /// Has `task` continue in each runtime that begins to use the client.
    pub(crate) fn continue_in_new_runtimes(&self, task: Weak<dyn ClientTask>) {
        lock(&self.client_tasks).push(task);
    }

    pub(crate) fn nodes(&self) -> &Arc<Nodes> {
        &self.nodes
    }

    /// The connections of the current runtime. Makes them if there are none yet.
    pub(crate) fn current(&self) -> Option<Arc<ConnectionSet>> {
        let runtime = Handle::try_current().ok()?;
        let outbox = &self.nodes.outbox;
        let mut sets = lock(&self.sets);
        if let Some((_, connections)) = sets
            .iter()
            .find(|(id, connections)| *id == runtime.id() && connections.is_alive())
        {
            let connections = Arc::clone(connections);
            drop(sets);
            connections.deliver(outbox);
            return Some(connections);
        }
        sets.retain(|(_, connections)| connections.is_alive());
        let sockets = self
            .nodes
            .targets
            .iter()
            .any(|target| target.memory().is_none());
        if !runtime::is_able(sockets) {
            return None;
        }
        let connections = Arc::new(ConnectionSet::start(&self.nodes, &runtime));
        sets.push((runtime.id(), Arc::clone(&connections)));
        drop(sets);
        connections.deliver(outbox);
        let (outbox, carrier) = (Arc::clone(outbox), Arc::downgrade(&connections));
        runtime.spawn(async move {
            let deliver = || {
                let connections = carrier.upgrade();
                connections
                    .inspect(|connections| connections.deliver(&outbox))
                    .is_some()
            };
            outbox.watch(deliver).await;
        });
        let client_tasks = lock(&self.client_tasks).clone();
        for task in client_tasks.iter().filter_map(Weak::upgrade) {
            task.continue_here();
        }
        Some(connections)
    }

    /// The connections for releasing a lock that was acquired over `own`: those of the current
    /// runtime, or outside of one those of whichever runtime runs next.
    pub(crate) fn for_release(&self, own: &Arc<ConnectionSet>) -> Arc<ConnectionSet> {
        if own.is_current() {
            return Arc::clone(own);
        }
        self.current()
            .unwrap_or_else(|| Arc::new(ConnectionSet::disconnected(&self.nodes.outbox)))
    }

    /// Whether the client has connections in more than one runtime, including runtimes that have
    /// ended.
    pub(crate) fn is_used_in_several_runtimes(&self) -> bool {
        lock(&self.sets).len() > 1
    }

    /// The runtimes that have used the client and have not ended.
    pub(crate) fn runtimes(&self) -> Vec<Handle> {
        let sets = lock(&self.sets);
        let alive = sets
            .iter()
            .filter(|(_, connections)| connections.is_alive());
        alive
            .filter_map(|(_, connections)| connections.runtime().cloned())
            .collect()
    }
}
