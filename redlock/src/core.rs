//! What the requests and leases of a client share: its nodes, its defaults, and whether it is
//! closed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify};

use crate::{
    env::{clock::Instant, pending::Tracker},
    error::{Error, Result},
    key::Key,
    label::Label,
    node::{ConnectionSet, ConnectionSets, Nodes},
};

/// The part of a client that does not depend on requests.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) connection_sets: Arc<ConnectionSets>,
    pub(crate) defaults: Defaults,
    /// What ends locks, and is still in flight.
    pub(crate) tracker: Arc<Tracker>,
    /// Attempts in flight, and requests for several locks, which may hold some of them while they wait for the others: they
    /// may have to release what they have.
    pub(crate) acquiring: Arc<Tracker>,
    closed: AtomicBool,
    /// Wakes those that wait when the client is closed.
    closing: Notify,
}

/// The defaults of requests.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    pub(crate) ttl: Duration,
    pub(crate) wait: Duration,
    pub(crate) fencing: bool,
    pub(crate) namespace: String,
    /// Part of the owner of every lock.
    pub(crate) label: Option<Label>,
}

impl Core {
    pub(crate) fn new(nodes: Nodes, defaults: Defaults) -> Self {
        let nodes = Arc::new(nodes);
        Self {
            connection_sets: Arc::new(ConnectionSets::new(Arc::clone(&nodes))),
            nodes,
            defaults,
            tracker: Arc::default(),
            acquiring: Arc::default(),
            closed: AtomicBool::new(false),
            closing: Notify::new(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.nodes.now()
    }

    /// The time-out of a node for an operation. It is at most a quarter of the ttl, so that a
    /// hanging node does not use up the ttl.
    pub(crate) fn node_timeout(&self, ttl: Duration) -> Duration {
        self.nodes.timeout.min(ttl / 4)
    }

    pub(crate) fn key(&self, name: &str) -> Result<Arc<Key>> {
        Key::new(&self.defaults.namespace, name).map(Arc::new)
    }

    /// An error if the client is closed.
    pub(crate) fn open(&self, key: Option<&str>) -> Result<()> {
        if self.closed.load(SeqCst) {
            Err(Error::closed(key))
        } else {
            Ok(())
        }
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, SeqCst);
        self.closing.notify_waiters();
    }

    /// Completes when the client is closed. Cancel safe.
    pub(crate) async fn closed(&self) {
        // Made before the check, so that no wake-up is missed in between.
        let closing = self.closing.notified();
        if !self.closed.load(SeqCst) {
            closing.await;
        }
    }

    pub(crate) fn connections(&self) -> Result<Arc<ConnectionSet>> {
        self.connection_sets.current().ok_or_else(no_runtime)
    }
}

/// An error outside of a runtime, where nothing can be awaited.
pub(crate) fn in_runtime() -> Result<()> {
    match Handle::try_current() {
        Ok(_) => Ok(()),
        Err(_) => Err(no_runtime()),
    }
}

fn no_runtime() -> Error {
    Error::invalid_config(
        "no tokio runtime with timers and sockets: locks are awaited inside of one, built with `enable_all`. A lock that ends \
         outside of one is released by the next runtime that uses the client",
    )
}
