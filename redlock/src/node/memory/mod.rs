//! Nodes in the process itself: for demos, for the tests of an application, and for whole histories under paused time.
//!
//! They follow the same protocol as Redis servers, and their faults are switches. Where all nodes of a client are in
//! memory, time is tokio's, so `tokio::time::pause` and `advance` rule it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
//! use redlock::{Redlock, memory::Cluster};
//!
//! let cluster = Cluster::new(3);
//! let redlock = Redlock::connect(cluster.nodes()).await?;
//!
//! cluster.node(0).stop(); // one of three is down: a quorum is left
//! let guard = redlock.try_lock("invoice:42").await?.expect("nobody else holds it");
//!
//! cluster.node(1).stop(); // two of three are down
//! assert!(redlock.try_lock("invoice:43").await.unwrap_err().is_no_quorum());
//! # drop(guard); Ok(()) }
//! ```

mod port;
mod store;

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

pub(super) use port::Port;
use store::Store;

use crate::{clock::Clock, node::Op, sync::lock};

/// Some nodes in memory. Clones are the same nodes.
#[derive(Clone, Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
}

impl Cluster {
    /// `nodes` fresh nodes, named `memory-0` and so on. Use 3 or 5; a client refuses 0.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self {
            nodes: (0..nodes)
                .map(|index| Node::new(format!("memory-{index}")))
                .collect(),
        }
    }

    /// The nodes, to connect to.
    #[must_use]
    pub fn nodes(&self) -> Vec<Node> {
        self.nodes.clone()
    }

    /// Node `index`, from 0.
    ///
    /// # Panics
    /// If there is no such node, as indexing a slice does.
    #[must_use]
    pub fn node(&self, index: usize) -> Node {
        self.nodes[index].clone()
    }
}

/// One node in memory, with its faults as switches. Clones are the same node.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    name: String,
    state: Mutex<State>,
}

struct State {
    store: Store,
    process: Process,
    up: bool,
    hung: bool,
    delay: Duration,
    /// What arrived while the node hung: its sockets' buffers.
    held: Vec<(port::Client, Op)>,
    /// Releases that arrived while the node was down.
    owed: Vec<(port::Client, Op)>,
}

/// One life of the node's process.
#[derive(Clone)]
struct Process {
    run_id: String,
    started: crate::clock::Instant,
}

impl Process {
    fn start() -> Self {
        Self {
            run_id: format!("{:032x}", rand::random::<u128>()),
            started: Clock::Tokio.now(),
        }
    }
}

impl Node {
    fn new(name: String) -> Self {
        Self(Arc::new(Inner {
            name,
            state: Mutex::new(State {
                store: Store::default(),
                process: Process::start(),
                up: true,
                hung: false,
                delay: Duration::ZERO,
                held: Vec::new(),
                owed: Vec::new(),
            }),
        }))
    }

    /// How the node is called in errors and reports.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn identity(&self) -> String {
        format!("memory {:p}", Arc::as_ptr(&self.0))
    }

    /// Refuses everything from now on, and keeps its data.
    pub fn stop(&self) {
        let mut state = lock(&self.0.state);
        state.up = false;
        let held = std::mem::take(&mut state.held);
        drop(state);
        port::refuse(held);
    }

    /// Answers again after [`stop`](Self::stop), with its data: a network that was cut, not a restart.
    pub fn start(&self) {
        let mut state = lock(&self.0.state);
        state.up = true;
        let owed = std::mem::take(&mut state.owed);
        drop(state);
        port::deliver(self, owed);
    }

    /// Answers nothing from now on; what arrives meanwhile is carried out on [`resume`](Self::resume).
    pub fn hang(&self) {
        lock(&self.0.state).hung = true;
    }

    /// Goes on after [`hang`](Self::hang), with what arrived meanwhile, in its order.
    pub fn resume(&self) {
        let mut state = lock(&self.0.state);
        state.hung = false;
        let held = std::mem::take(&mut state.held);
        drop(state);
        for (client, op) in held {
            self.arrive(&client, op);
        }
    }

    /// Forgets all keys and starts a new process, as a server without persistence does.
    pub fn restart_empty(&self) {
        let mut state = lock(&self.0.state);
        state.store = Store::default();
        state.process = Process::start();
        state.up = true;
        state.hung = false;
        let held = std::mem::take(&mut state.held);
        let owed = std::mem::take(&mut state.owed);
        drop(state);
        port::refuse(held);
        port::deliver(self, owed);
    }

    /// Forgets all keys without a new process, as `FLUSHALL` does.
    pub fn flush(&self) {
        lock(&self.0.state).store = Store::default();
    }

    /// Carries out and answers every operation this much later; zero for at once, which is the default.
    pub fn delay(&self, by: Duration) {
        lock(&self.0.state).delay = by;
    }

    /// Moves the node's clock forward, so that keys expire early.
    pub fn shift_clock(&self, forward: Duration) {
        lock(&self.0.state).store.shift(forward);
    }

    /// What `GET` would say now.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<String> {
        lock(&self.0.state).store.get(key).map(str::to_owned)
    }

    /// Writes what no lock would: a string without expiry.
    pub fn set(&self, key: &str, value: &str) {
        lock(&self.0.state).store.set(key, value.to_owned(), None);
    }

    /// Deletes a key; says whether it was there.
    pub fn delete(&self, key: &str) -> bool {
        lock(&self.0.state).store.delete(key)
    }

    /// The keys that live now, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        lock(&self.0.state).store.keys()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.0.name)
            .finish_non_exhaustive()
    }
}
