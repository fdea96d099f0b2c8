//! The world of one run: nodes, processes, and what happened to them.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use super::process::{Machine, Process, Running};
use crate::{
    env::{random::Random, sync::lock, unwind::caught},
    memory::Nodes,
};

/// The longest [`World::latency`], and the longest way between a process and a node, in microseconds.
const LONGEST_LATENCY: u64 = 20_000;
const LONGEST_WAY: u64 = 2_000;

/// One run: the nodes and the processes. Clones are the same world.
#[derive(Clone)]
pub struct World {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    seed: u64,
    pub(super) nodes: Nodes,
    start: Instant,
    /// For what the scenario draws. Faults have a generator of their own.
    random: Random,
    /// Those of the processes that have not crashed; what an ended one released may still be in flight.
    machines: Mutex<Vec<Machine>>,
    spawned: AtomicUsize,
    faults: Mutex<Vec<String>>,
    pub(super) calm: AtomicBool,
    /// What the first process that panicked said.
    panic: Mutex<Option<String>>,
    panicked: Notify,
}

impl World {
    pub(super) fn new(seed: u64, nodes: Nodes) -> Self {
        Self {
            inner: Arc::new(Inner {
                seed,
                nodes,
                start: Instant::now(),
                random: Random::seeded(seed ^ 1 << 62),
                machines: Mutex::default(),
                spawned: AtomicUsize::default(),
                faults: Mutex::default(),
                calm: AtomicBool::default(),
                panic: Mutex::default(),
                panicked: Notify::new(),
            }),
        }
    }

    /// The seed of this run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.inner.seed
    }

    /// The nodes, over a network without faults, to look at them and for clients to which nothing happens.
    #[must_use]
    pub fn nodes(&self) -> &Nodes {
        &self.inner.nodes
    }

    /// Runs `body` as a process: with a client of its own, over a network of its own. It may be paused and may crash.
    ///
    /// Tasks that the body spawns by itself are not part of the process, so no fault stops them: await their work in the body.
    ///
    /// # Panics
    /// Outside of the scenario. A panic of `body` fails the run.
    pub fn spawn<B, F>(&self, body: B) -> Running<F::Output>
    where
        B: FnOnce(Process) -> F,
        F: Future<Output: Send> + Send + 'static,
    {
        let nodes = self.inner.nodes.apart();
        for node in nodes.nodes() {
            node.delay(self.draw(LONGEST_WAY));
            node.delay_replies(self.draw(LONGEST_WAY));
        }
        let body = body(Process::new(nodes.clone()));
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(nodes.task(async move {
            match caught(body).await {
                Ok(value) => Some(value),
                Err(panic) => {
                    inner.panicked(text_of(&*panic));
                    None
                }
            }
        }));
        let mut machines = self.inner.machines();
        machines.retain(|machine| !machine.crashed);
        let number = self.inner.spawned.fetch_add(1, Relaxed);
        machines.push(Machine::new(number, nodes, task.abort_handle()));
        Running(task)
    }

    /// Sleeps for a random time of up to 20 ms: stands for a request to something outside, such as a store. Faults strike meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn latency(&self) {
        sleep(self.draw(LONGEST_LATENCY)).await;
    }

    /// Ends all faults, and makes no more of them: for what has to hold once everything works again. Crashed processes do not come
    /// back, and the clocks of nodes stay where they are.
    pub fn calm(&self) {
        self.inner.calm.store(true, Relaxed);
        for machine in &mut *self.inner.machines() {
            machine.heal();
        }
        self.inner.nodes.heal();
        self.inner.note(|| "all faults end".to_owned());
    }

    fn draw(&self, below_micros: u64) -> Duration {
        Duration::from_micros(self.inner.random.draw::<u64>() % below_micros)
    }
}

impl Inner {
    pub(super) fn machines(&self) -> MutexGuard<'_, Vec<Machine>> {
        lock(&self.machines)
    }

    /// Does something to a process, unless it has ended.
    pub(super) fn with_machine(&self, number: usize, act: impl FnOnce(&mut Machine)) {
        let mut machines = self.machines();
        if let Some(machine) = machines.iter_mut().find(|machine| machine.number == number) {
            act(machine);
        }
    }

    /// Notes what happens, for the report of a failure.
    pub(super) fn note(&self, what: impl FnOnce() -> String) {
        let at = self.start.elapsed().as_secs_f64();
        lock(&self.faults).push(format!("{at:>10.3} s  {}", what()));
    }

    pub(super) fn take_faults(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.faults))
    }

    fn panicked(&self, message: String) {
        lock(&self.panic).get_or_insert(message);
        self.panicked.notify_one();
    }

    /// Completes when a process has panicked, with what it said.
    pub(super) async fn panic(&self) -> String {
        loop {
            if let Some(message) = lock(&self.panic).take() {
                return message;
            }
            self.panicked.notified().await;
        }
    }

    pub(super) fn take_panic(&self) -> Option<String> {
        lock(&self.panic).take()
    }
}

/// What a panic says.
pub(super) fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("seed", &self.inner.seed)
            .finish_non_exhaustive()
    }
}
