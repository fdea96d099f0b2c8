//! Clients: machines with processes on them, which are replaced, duplicated, frozen and closed.

use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicBool};

use redlock::{Redlock, memory::Nodes};

use crate::{history::At, plan::Plan, world::World};

/// One machine with its processes, which may be replaced.
pub(crate) struct Client {
    /// The nodes, over the network of this machine.
    pub(crate) machine: Nodes,
    /// One, or two that draw the same random numbers.
    processes: Mutex<Vec<Process>>,
    frozen: Mutex<Option<At>>,
}

/// One process of a client.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) redlock: Redlock,
    /// It has reached the nodes: until then a request takes longer, by the first contact.
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
    /// The process that a task of a client runs in.
    pub(crate) fn process(&self, client: usize, task: usize) -> Process {
        let processes = self.clients[client]
            .processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        processes[task % processes.len()].clone()
    }

    /// New processes, which know nothing of the nodes. What the old ones hold goes on. Where there
    /// are several, they draw the same random numbers.
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

    /// Closes the processes that were replaced. Their own maps are not public; what they print of
    /// themselves is.
    pub(crate) async fn close_retired(&self) {
        let handles =
            std::mem::take(&mut *self.retired.lock().unwrap_or_else(PoisonError::into_inner));
        for redlock in handles {
            redlock.close().await;
            let inside = format!("{redlock:?}");
            if !inside.contains(" keys: 0,") {
                self.violation(format!("I9: keys are left: {inside}"));
            }
        }
    }

    /// Stops a client's processes; says whether they ran.
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
            self.tell(|| format!("client {client}: goes on"));
            self.history().stood_still.push((client, since, now));
            machine.thaw();
        }
    }

    /// All clients stand still.
    pub(crate) fn stood_still(&self, from: At, to: At) {
        let mut history = self.history();
        for client in 0..self.plan.clients {
            history.stood_still.push((client, from, to));
        }
    }
}
