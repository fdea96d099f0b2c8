//! Everything that a run consists of: nodes, the proxies before them, client processes, the resource.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::Duration;

use redlock::RestartGuard;
use tests::Cluster;
use tests::proxy::Proxy;
use tokio::time::{Instant, sleep};

use crate::args::{ClientSettings, Problem, Settings};
use crate::events::Events;
use crate::resource::Resource;
use crate::terms::{GUARD_TIME, NODES, SAME_START};
use crate::worker::Worker;

/// The uptime of a server is told in whole seconds, so two of them are known apart this much later.
const ROUGH: Duration = Duration::from_secs(2);

/// The processes and the ways between them.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    /// By slot and node: every client has its own network. The last slot is the probe's.
    pub(crate) proxies: Vec<Vec<Proxy>>,
    pub(crate) resource: Resource,
    pub(crate) events: Events,
    pub(crate) slots: Vec<Slot>,
    /// No fault is begun any more.
    pub(crate) over: Cell<bool>,
    settings: Settings,
    /// When each node last came to know nothing; `None`: never, since it started with the others.
    restarted: RefCell<[Option<Instant>; NODES]>,
    starting: Cell<usize>,
    problems: RefCell<Vec<String>>,
}

/// A place for a client process, and for its successors.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) worker: RefCell<Option<Worker>>,
    born: Cell<u32>,
}

impl World {
    pub(crate) async fn build(settings: &Settings) -> Result<Self, Problem> {
        let cluster = Cluster::start(NODES).await;
        let slots = settings.workers + 1;
        let mut proxies = Vec::with_capacity(slots);
        for _ in 0..slots {
            proxies.push(Proxy::before_all(&cluster).await);
        }
        Ok(Self {
            cluster,
            proxies,
            resource: Resource::start().await?,
            events: Events::default(),
            slots: (0..slots).map(|_| Slot::default()).collect(),
            over: Cell::new(false),
            settings: settings.clone(),
            restarted: RefCell::default(),
            starting: Cell::new(0),
            problems: RefCell::default(),
        })
    }

    /// Starts a process in a slot, and waits until it is connected.
    pub(crate) async fn populate(&self, number: usize, folder: &Path) -> Result<(), Problem> {
        let slot = &self.slots[number];
        slot.born.set(slot.born.get() + 1);
        let probe = number == self.probe();
        let name = format!(
            "{}{number}.{}",
            if probe { "p" } else { "w" },
            slot.born.get()
        );
        let worker = Worker::spawn(&ClientSettings {
            probe,
            nodes: self.proxies[number].iter().map(Proxy::url).collect(),
            direct: self.cluster.urls(),
            resource: self.resource.address(),
            history: folder.join(format!("{name}.history")),
            guard: self.settings.guard,
            name,
        })?;
        self.starting.set(self.starting.get() + 1);
        let ready = worker.ready().await;
        self.starting.set(self.starting.get() - 1);
        ready?;
        slot.worker.replace(Some(worker));
        Ok(())
    }

    /// The slot of the client that is never touched.
    pub(crate) fn probe(&self) -> usize {
        self.slots.len() - 1
    }

    /// The slot whose process has that name, if it still runs.
    pub(crate) fn slot_of(&self, client: &str) -> Option<usize> {
        self.slots.iter().position(|slot| {
            slot.worker
                .borrow()
                .as_ref()
                .is_some_and(|worker| worker.name == client)
        })
    }

    /// Whether a new client can know from the nodes' ages which of them may have forgotten something.
    ///
    /// The default guard sees restarts that happen while a client is there. Of a node that it has never met, a client
    /// knows the age alone: a node is trusted where it started with the oldest. With two young nodes among five,
    /// every quorum has an old one that shows them up; with three, it may not.
    pub(crate) fn may_meet_strangers(&self) -> bool {
        let young = |within: Duration| self.restarted_within(within);
        self.settings.guard != RestartGuard::Observed
            || young(GUARD_TIME + ROUGH) == 0
            || young(GUARD_TIME + SAME_START + ROUGH) <= 2
    }

    /// Waits until so many nodes may restart empty; whether they may.
    ///
    /// Not while a client is meeting the nodes for the first time, and never so many that all are young: the default
    /// guard does not cover the restart of all nodes at once.
    pub(crate) async fn may_forget(&self, nodes: usize) -> bool {
        if self.settings.guard != RestartGuard::Observed {
            return true;
        }
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.starting.get() > 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        let young = self.restarted_within(GUARD_TIME + SAME_START + ROUGH);
        self.starting.get() == 0 && young + nodes <= NODES - 2
    }

    /// Notes that a node is about to forget everything.
    pub(crate) fn forgets(&self, node: usize) {
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

    /// What went wrong that no invariant speaks of: a client that did not start, or said something.
    pub(crate) fn note_problem(&self, problem: Result<(), Problem>) {
        if let Err(problem) = problem {
            self.problems.borrow_mut().push(problem.to_string());
        }
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        self.problems.borrow().clone()
    }
}
