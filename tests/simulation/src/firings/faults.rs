//! The replicas of a history, and the faults that are injected.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use rand::RngExt;
use redlock::memory::{Node, Nodes};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{CATCH_UP, Clocks, DRIFT, Happened, JOB, PERIOD, Plan, Record, client};
use crate::{
    faults::for_a_while,
    plan::{Dice, ms, some_ms},
};

/// Between two losses of data, of one node. It is longer than the guard time.
const FORGETS_EVERY: Duration = ms(2_000);
/// Of the links of a replica, each way. A round trip takes less than the node time-out.
const SLOW: [Duration; 3] = [ms(8), ms(5), ms(7)];
/// Validity allows for a drift of 1 %, which is 2 ms in 200 ms.
const DRIFT_STEP: Duration = ms(2);
const DRIFT_EVERY: Duration = ms(200);

pub(super) struct Replicas {
    nodes: Nodes,
    plan: Plan,
    record: Arc<Record>,
    running: Mutex<Vec<Replica>>,
    /// A process that has crashed never continues.
    crashed: Mutex<Vec<Replica>>,
}

struct Replica {
    machine: Nodes,
    has_crashed: Arc<AtomicBool>,
    /// It runs a body.
    is_busy: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Replicas {
    pub(super) fn start(nodes: &Nodes, plan: Plan, record: Arc<Record>) -> Self {
        let replicas = Self {
            nodes: nodes.clone(),
            plan,
            record,
            running: Mutex::default(),
            crashed: Mutex::default(),
        };
        replicas.fill_up();
        replicas
    }

    fn fill_up(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while running.len() < self.plan.replicas {
            running.push(self.replica());
        }
    }

    fn replica(&self) -> Replica {
        let machine = self.nodes.apart();
        // A slow network, so that faults meet the steps before a body begins.
        for (place, link) in machine.nodes().into_iter().enumerate() {
            let delay = SLOW[place % SLOW.len()];
            link.delay(delay);
            link.delay_replies(delay);
        }
        let job = client(&machine).job(JOB, PERIOD).catch_up(CATCH_UP);
        let job = job.on_crash(self.plan.on_crash).missed(self.plan.missed);
        let (record, is_busy) = (Arc::clone(&self.record), Arc::<AtomicBool>::default());
        let busy = Arc::clone(&is_busy);
        let job = job.overlap(self.plan.overlap).run(move |firing, held| {
            let (record, busy) = (Arc::clone(&record), Arc::clone(&busy));
            async move { record.body(firing, held, &busy).await }
        });
        let record = Arc::clone(&self.record);
        let task = tokio::spawn(machine.task(async move {
            let ended = job.await;
            record.violation(format!("a job has ended: {ended:?}"));
        }));
        Replica {
            machine,
            has_crashed: Arc::default(),
            is_busy,
            task,
        }
    }

    /// A crashed replica releases nothing.
    fn crash(&self, place: Option<usize>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = match place {
            Some(place) if place < running.len() => vec![running.swap_remove(place)],
            Some(_) => Vec::new(),
            None => running.drain(..).collect(),
        };
        for replica in &gone {
            replica.has_crashed.store(true, Relaxed);
            replica.machine.freeze();
        }
        let mut crashed = self.crashed.lock().unwrap_or_else(PoisonError::into_inner);
        crashed.extend(gone);
    }

    fn any(&self, dice: &mut Dice) -> Option<(usize, Nodes, Arc<AtomicBool>)> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // Every other time the one that runs a body, if there is one.
        let busy = |replica: &Replica| replica.is_busy.load(Relaxed);
        let busy = running
            .iter()
            .position(busy)
            .filter(|_| dice.random_bool(0.5));
        let place = busy.unwrap_or_else(|| dice.random_range(0..self.plan.replicas));
        let replica = running.get(place)?;
        Some((
            place,
            replica.machine.clone(),
            Arc::clone(&replica.has_crashed),
        ))
    }

    pub(super) async fn end(self) {
        let all = [self.running, self.crashed];
        for replicas in all {
            for replica in replicas
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)
            {
                replica.task.abort();
                let _ = replica.task.await;
            }
        }
    }
}

pub(super) struct Faults<'a> {
    nodes: &'a Nodes,
    replicas: &'a Replicas,
    clocks: &'a Clocks,
    dice: Dice,
}

impl<'a> Faults<'a> {
    pub(super) fn new(
        nodes: &'a Nodes,
        replicas: &'a Replicas,
        clocks: &'a Clocks,
        dice: Dice,
    ) -> Self {
        Self {
            nodes,
            replicas,
            clocks,
            dice,
        }
    }

    /// Injects one fault at a time, until it is dropped. `of_clocks`: those of clocks and memory, too.
    pub(super) async fn inject(mut self, of_clocks: bool) {
        let mut forgot = Instant::now();
        let mut drifted = (Duration::ZERO, Instant::now());
        let forgets = self.any_node();
        loop {
            let length = some_ms(&mut self.dice, 5..=500);
            match self.dice.random_range(0..9) {
                0..4 => self.of_a_replica(length).await,
                4..6 => self.of_a_node(length).await,
                6 if of_clocks
                    && self.replicas.plan.forgets
                    && forgot.elapsed() > FORGETS_EVERY =>
                {
                    self.count(Happened::Forget);
                    forgets.restart_empty();
                    forgot = Instant::now();
                }
                7 if of_clocks && drifted.0 < DRIFT && drifted.1.elapsed() > DRIFT_EVERY => {
                    self.count(Happened::Drift);
                    let node = self.any_index();
                    self.clocks.drift(node, DRIFT_STEP);
                    drifted = (drifted.0 + DRIFT_STEP, Instant::now());
                }
                _ => sleep(length).await,
            }
        }
    }

    fn any_index(&mut self) -> usize {
        let nodes = self.nodes.nodes().len();
        self.dice.random_range(0..nodes)
    }

    fn any_node(&mut self) -> Node {
        let node = self.any_index();
        self.nodes.node(node)
    }

    fn count(&self, what: Happened) {
        self.replicas.record.count(what);
    }

    async fn of_a_node(&mut self, length: Duration) {
        let node = self.any_node();
        if self.dice.random_bool(0.5) {
            self.count(Happened::Hang);
            for_a_while(length, || node.hang(), || node.resume()).await;
        } else {
            self.count(Happened::Stop);
            for_a_while(length, || node.stop(), || node.start()).await;
        }
    }

    async fn of_a_replica(&mut self, length: Duration) {
        let Some((place, machine, has_crashed)) = self.replicas.any(&mut self.dice) else {
            return sleep(length).await;
        };
        let mut links = machine.nodes();
        let some = self.dice.random_range(1..=links.len());
        links.truncate(some);
        match self.dice.random_range(0..12) {
            0..3 => {
                self.count(Happened::Crash);
                let crash = || self.replicas.crash(Some(place));
                for_a_while(length, crash, || self.replicas.fill_up()).await;
            }
            3 => {
                self.count(Happened::AllCrash);
                let crash = || self.replicas.crash(None);
                for_a_while(length * 3, crash, || self.replicas.fill_up()).await;
            }
            4..7 => {
                self.count(Happened::Freeze);
                let thaw = || {
                    if !has_crashed.load(Relaxed) {
                        machine.thaw();
                    }
                };
                for_a_while(length, || machine.freeze(), thaw).await;
            }
            7..9 => {
                self.count(Happened::Cut);
                let cut = |on| links.iter().for_each(|link| link.lose_requests(on));
                for_a_while(length, || cut(true), || cut(false)).await;
            }
            9..11 => {
                self.count(Happened::LostReplies);
                let lose = |on| links.iter().for_each(|link| link.lose_replies(on));
                for_a_while(length, || lose(true), || lose(false)).await;
            }
            _ => {
                self.count(Happened::HoldBack);
                let late = || {
                    for link in &links {
                        link.reconnect();
                        link.deliver_late();
                    }
                };
                for_a_while(length, || links.iter().for_each(Node::hold_back), late).await;
            }
        }
    }
}
