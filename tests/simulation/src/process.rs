//! Clients: machines whose processes are replaced, duplicated, paused and closed.

use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicBool};

use redlock::{Redlock, memory::Nodes};

use crate::{history::At, plan::Plan, world::World};

/// One machine with its processes.
pub(crate) struct Client {
    /// The nodes, through the network of this machine.
    pub(crate) machine: Nodes,
    /// One process, or two with the same random state.
    processes: Mutex<Vec<Process>>,
    /// Since when the machine has been frozen.
    frozen: Mutex<Option<At>>,
}

/// One process of a client.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) redlock: Redlock,
    /// The process has reached the nodes. Until then a request takes longer, by the first
    /// connection.
    pub(crate) has_met_nodes: Arc<AtomicBool>,
}

pub(crate) fn connect(plan: &Plan, nodes: &Nodes) -> Redlock {
    Redlock::builder()
        .nodes(nodes.nodes())
        .max_ttl(plan.max_ttl)
        .ttl(plan.max_ttl)
        .clock_skew(plan.skew)
        .node_timeout(plan.node_timeout)
        .restart_guard(plan.guard)
        .fencing(plan.fencing)
        .connect_lazy()
        .expect("a client")
}

impl Process {
    fn new(plan: &Plan, nodes: &Nodes) -> Self {
        Self {
            redlock: connect(plan, nodes),
            has_met_nodes: Arc::default(),
        }
    }
}

impl Client {
    pub(crate) fn new(plan: &Plan, cluster: &Nodes) -> Self {
        let machine = cluster.apart();
        Self {
            processes: Mutex::new(vec![Process::new(plan, &machine)]),
            machine,
            frozen: Mutex::default(),
        }
    }
}

impl World {
    /// The process in which a task of a client runs.
    pub(crate) fn process(&self, client: usize, task: usize) -> Process {
        let processes = self.clients[client]
            .processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        processes[task % processes.len()].clone()
    }

    /// Replaces the processes of a client by `count` new ones, which have the same random state.
    /// Locks that the old ones hold stay held.
    pub(crate) fn replace(&self, client: usize, count: usize) {
        let Client {
            machine, processes, ..
        } = &self.clients[client];
        let fresh = match count {
            1 => vec![Process::new(&self.plan, machine)],
            _ => {
                let copies = (0..count).map(|_| machine.fork());
                copies.map(|copy| Process::new(&self.plan, &copy)).collect()
            }
        };
        let old = std::mem::replace(
            &mut *processes.lock().unwrap_or_else(PoisonError::into_inner),
            fresh,
        );
        for process in old {
            self.retire(process.redlock);
        }
    }

    /// Ends the processes of all clients.
    pub(crate) fn retire_all(&self) {
        for client in &self.clients {
            let processes = client.processes.lock();
            for process in &*processes.unwrap_or_else(PoisonError::into_inner) {
                self.retire(process.redlock.clone());
            }
        }
    }

    fn retire(&self, redlock: Redlock) {
        self.retired
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(redlock);
    }

    /// Closes the replaced processes, and checks that they keep no state per key. Only their
    /// `Debug` output shows it.
    pub(crate) async fn close_retired(&self) {
        let handles =
            std::mem::take(&mut *self.retired.lock().unwrap_or_else(PoisonError::into_inner));
        for redlock in handles {
            redlock.close().await;
            let inside = format!("{redlock:?}");
            if !inside.contains(" keys: 0,") {
                self.violation(format!("I9: state of keys is left: {inside}"));
            }
        }
    }

    /// Pauses the processes of a client. Returns whether they were running.
    pub(crate) fn freeze(&self, client: usize) -> bool {
        let Client {
            machine, frozen, ..
        } = &self.clients[client];
        let mut frozen = frozen.lock().unwrap_or_else(PoisonError::into_inner);
        let ran = frozen.is_none();
        if ran {
            *frozen = Some(self.now());
            machine.freeze();
        }
        ran
    }

    pub(crate) fn thaw(&self, client: usize) {
        let Client {
            machine, frozen, ..
        } = &self.clients[client];
        let since = frozen.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(since) = since {
            let now = self.now();
            self.log(|| format!("client {client}: resumes"));
            self.history().pauses.push((client, since, now));
            machine.thaw();
        }
    }

    /// All clients were paused.
    pub(crate) fn record_pause_of_all(&self, from: At, to: At) {
        let mut history = self.history();
        for client in 0..self.plan.clients {
            history.pauses.push((client, from, to));
        }
    }
}
