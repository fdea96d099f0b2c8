//! Everything that a run consists of: nodes, proxies, the network, client processes, the resource.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Duration;

use redlock::RestartGuard;
use tests::Cluster;
use tests::network::{Host, Network};
use tests::proxy::Proxy;
use tokio::time::{Instant, sleep};

use super::process::Process;
use crate::args::{ClientSettings, Control, Problem, Settings};
use crate::config::{GUARD_TIME, NODES, SAME_START};
use crate::history::Events;
use crate::resource::Resource;

/// Servers report their uptime in whole seconds, so ages are compared with this tolerance.
const UPTIME_ROUNDING: Duration = Duration::from_secs(2);

/// The processes of a run, and the connections between them.
#[derive(Debug)]
pub(crate) struct Harness {
    pub(crate) cluster: Cluster,
    pub(crate) network: Option<Network>,
    /// For each slot without its own host, the proxies in front of the nodes.
    proxies: Vec<Vec<Proxy>>,
    pub(crate) resource: Resource,
    pub(crate) events: Events,
    /// First those with a host of their own, last the probe.
    pub(crate) slots: Vec<Slot>,
    /// No more faults begin.
    pub(crate) finished: Cell<bool>,
    pub(crate) folder: PathBuf,
    settings: Settings,
    /// When each node last lost its data; `None`: it has not since all of them started.
    restarted: RefCell<[Option<Instant>; NODES]>,
    starting: Cell<usize>,
    problems: RefCell<Vec<String>>,
}

/// A place for one client process at a time.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) process: RefCell<Option<Process>>,
    /// How many processes have been started here.
    started: Cell<u32>,
}

/// How many clients have a host of their own, when there is a network. The others connect through
/// proxies.
pub(crate) fn networked_clients(workers: usize) -> usize {
    workers / 2
}

impl Harness {
    pub(crate) async fn start(
        settings: &Settings,
        network: Option<Network>,
        folder: &Path,
    ) -> Result<Self, Problem> {
        let mut builder = Cluster::builder(NODES);
        if let Some(network) = &network {
            // Peers that are unreachable in a partition are noticed within seconds.
            builder = builder.hosts(network.nodes()).arg(["--tcp-keepalive", "1"]);
        }
        let cluster = builder.start().await;
        let slots = settings.workers + 1;
        let mut proxies = Vec::with_capacity(slots);
        for slot in 0..slots {
            proxies.push(match &network {
                Some(_) if slot < networked_clients(settings.workers) => Vec::new(),
                _ => Proxy::before_all(&cluster).await,
            });
        }
        Ok(Self {
            cluster,
            network,
            proxies,
            resource: Resource::start(folder)?,
            events: Events::default(),
            slots: (0..slots).map(|_| Slot::default()).collect(),
            finished: Cell::new(false),
            folder: folder.to_owned(),
            settings: settings.clone(),
            restarted: RefCell::default(),
            starting: Cell::new(0),
            problems: RefCell::default(),
        })
    }

    /// Starts a process in a slot, and waits until it is connected.
    pub(crate) async fn start_client(&self, number: usize) -> Result<(), Problem> {
        let slot = &self.slots[number];
        slot.started.set(slot.started.get() + 1);
        let probe = number == self.probe();
        let kind = if probe { "p" } else { "w" };
        let name = format!("{kind}{number}.{}", slot.started.get());
        let nodes = match self.host(number) {
            Some(_) => self.cluster.urls(),
            None => self.proxies[number].iter().map(Proxy::url).collect(),
        };
        let settings = ClientSettings {
            probe,
            long_holds: self.settings.control == Some(Control::IgnoredLoss),
            nodes,
            direct: self.cluster.urls(),
            resource: self.resource.socket().to_owned(),
            history: self.folder.join(format!("{name}.history")),
            guard: self.settings.guard,
            name,
        };
        let process = Process::spawn(&settings, self.host(number))?;
        self.starting.set(self.starting.get() + 1);
        let ready = process.ready().await;
        self.starting.set(self.starting.get() - 1);
        ready?;
        slot.process.replace(Some(process));
        Ok(())
    }

    /// The host of a slot's processes, if they have their own.
    pub(crate) fn host(&self, slot: usize) -> Option<&Host> {
        let network = self.network.as_ref()?;
        (slot < networked_clients(self.settings.workers)).then(|| network.client(slot))
    }

    /// The proxies between these slots and these nodes.
    pub(crate) fn proxies(&self, slots: &[usize], nodes: &[usize]) -> Vec<&Proxy> {
        slots
            .iter()
            .flat_map(|slot| {
                nodes
                    .iter()
                    .filter_map(|node| self.proxies[*slot].get(*node))
            })
            .collect()
    }

    pub(crate) fn all_proxies(&self) -> impl Iterator<Item = &Proxy> {
        self.proxies.iter().flatten()
    }

    /// The slot of the probe, which no fault of a client concerns.
    pub(crate) fn probe(&self) -> usize {
        self.slots.len() - 1
    }

    /// The slot of the running process with that name.
    pub(crate) fn slot_of(&self, client: &str) -> Option<usize> {
        self.slots.iter().position(|slot| {
            slot.process
                .borrow()
                .as_ref()
                .is_some_and(|process| process.name == client)
        })
    }

    /// Whether a new client can see from the ages of the nodes which of them may have lost data.
    ///
    /// The observed guard sees restarts while a client runs. A new client knows only the age of a
    /// node, and trusts a node that started with the oldest. With two young nodes among five, every
    /// quorum has an old one to compare with; with three it may not.
    pub(crate) fn can_admit_clients(&self) -> bool {
        let young = |within: Duration| self.restarted_within(within);
        self.settings.guard != RestartGuard::Observed
            || young(GUARD_TIME + UPTIME_ROUNDING) == 0
            || young(GUARD_TIME + SAME_START + UPTIME_ROUNDING) <= 2
    }

    /// Waits until this many nodes may restart empty. Returns whether they may.
    ///
    /// The observed guard covers neither the restart of all nodes nor a client that connects
    /// meanwhile for the first time.
    pub(crate) async fn may_lose_data(&self, nodes: usize) -> bool {
        if self.settings.guard != RestartGuard::Observed {
            return true;
        }
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.starting.get() > 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        let young = self.restarted_within(GUARD_TIME + SAME_START + UPTIME_ROUNDING);
        self.starting.get() == 0 && young + nodes <= NODES - 2
    }

    /// Records that a node loses its data now.
    pub(crate) fn loses_data(&self, node: usize) {
        self.restarted.borrow_mut()[node] = Some(Instant::now());
    }

    fn restarted_within(&self, within: Duration) -> usize {
        let restarted = self.restarted.borrow();
        restarted
            .iter()
            .flatten()
            .filter(|at| at.elapsed() < within)
            .count()
    }

    /// Records a problem that no invariant covers: a client that failed to start or wrote to
    /// standard error.
    pub(crate) fn record_problem(&self, result: Result<(), Problem>) {
        if let Err(problem) = result {
            self.problems.borrow_mut().push(problem.to_string());
        }
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        self.problems.borrow().clone()
    }
}
