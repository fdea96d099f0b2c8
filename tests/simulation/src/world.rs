//! One history: nodes in memory, clients with their tasks, storms of faults, and a period without
//! faults after each.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rand::RngExt;
use redlock::{
    Redlock,
    memory::{Node, Nodes},
};
use tokio::{
    runtime::Handle,
    task::JoinSet,
    time::{Instant, advance, sleep, timeout},
};

use crate::{
    event::Event,
    faults::{self, Nemesis},
    history::{At, History},
    holder, invariants, many,
    plan::{Dice, FIRST_PERMIT, Plan, dice, ms},
    process::{Client, connect},
    runtimes::{Second, run_both, runtime},
};

/// How old the nodes are when the first client meets them.
const AGE: Duration = Duration::from_secs(3_600);

/// The state that all tasks of a history share.
pub(crate) struct World {
    pub(crate) plan: Plan,
    /// The nodes, and a network to them without faults.
    pub(crate) cluster: Nodes,
    pub(crate) clients: Vec<Client>,
    start: Instant,
    /// The latest time that was read, in nanoseconds. The clocks of two runtimes differ slightly.
    latest: AtomicU64,
    second: Arc<Second>,
    history: Mutex<History>,
    /// The clients of replaced processes, until they are closed after the storm.
    pub(crate) retired: Mutex<Vec<Redlock>>,
}

/// Runs the history of a plan and checks it.
pub(crate) fn run(plan: &Plan, log: bool) -> History {
    let runtime = runtime();
    let cluster = {
        let _inside = runtime.enter();
        Nodes::seeded(plan.nodes, plan.seed)
    };
    runtime.block_on(advance(AGE));
    let second = Arc::default();
    let life = live(plan.clone(), cluster, log, Arc::clone(&second));
    let mut history = if plan.two_runtimes {
        run_both(&runtime, &second, life)
    } else {
        runtime.block_on(life)
    };
    invariants::check(plan, &mut history);
    history
}

async fn live(plan: Plan, cluster: Nodes, log: bool, second: Arc<Second>) -> History {
    let clients = (0..plan.clients)
        .map(|_| Client::new(&plan, &cluster))
        .collect();
    let world = Arc::new(World {
        cluster,
        clients,
        start: Instant::now(),
        latest: AtomicU64::default(),
        second,
        history: Mutex::new(History {
            busy_until: vec![At::ZERO; FIRST_PERMIT + plan.permits],
            log: log.then(Vec::new),
            ..History::default()
        }),
        retired: Mutex::default(),
        plan,
    });
    let plan = &world.plan;
    let mut nemesis = Nemesis::new(&world, dice(plan.seed, 1));
    let mut calm_dice = dice(plan.seed, 3);
    world.trust_nodes().await;
    if plan.has(Event::BareMajority) {
        // A client that meets a node for the first time cannot notice that its process has lost data.
        world.look_at_nodes().await;
    }
    for storm in 0..plan.storms {
        let until = world.now() + plan.storm;
        let tasks = world.start_tasks(storm, until);
        if plan.has(Event::ManyReleases) {
            many::releases(&world, &mut calm_dice).await;
        }
        nemesis.storm(until).await;
        world.calm_down(tasks).await;
        if plan.has(Event::IdleCut) {
            world.cut_idle(&mut calm_dice).await;
        }
        if plan.has(Event::FarContact) {
            world.connect_from_afar(&mut calm_dice).await;
        }
    }
    world.end(&mut calm_dice).await;
    let mut history = world.history();
    let nodes = world.cluster.nodes();
    history.batches = nodes.iter().map(Node::__batches).sum();
    std::mem::take(&mut history)
}

/// The phases of a history.
impl World {
    fn start_tasks(self: &Arc<Self>, storm: u32, until: At) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for client in 0..self.plan.clients {
            for task in 0..self.plan.tasks {
                let part = [2, u64::from(storm), client as u64, task as u64];
                let part = part.into_iter().fold(0, |all, part| all * 16 + part);
                let dice = dice(self.plan.seed, part);
                let work = holder::work(Arc::clone(self), (client, task), dice, until);
                let work = self.clients[client].machine.task(work);
                tasks.spawn_on(work, &self.runtime_of(task));
            }
        }
        tasks
    }

    /// The runtime of a task. If there are two, tasks alternate between them.
    fn runtime_of(&self, task: usize) -> Handle {
        match self.second.handle() {
            Some(second) if task % 2 == 1 => {
                self.count(Event::SharedHandle);
                second
            }
            _ => Handle::current(),
        }
    }

    /// Replaces the second runtime by a new one.
    pub(crate) fn end_runtime(&self) {
        self.log(|| "a runtime is shut down".to_owned());
        self.count(Event::EndedRuntime);
        self.second.end();
    }

    /// Declares that the nodes have lost nothing, as on a first deployment. Otherwise the strict
    /// restart guard would quarantine them all.
    async fn trust_nodes(&self) {
        connect(&self.plan, &self.cluster)
            .trust_nodes()
            .await
            .expect("all nodes answer");
    }

    /// Ends all faults.
    pub(crate) fn heal(&self) {
        self.log(|| "the storm is over".to_owned());
        for (index, client) in self.clients.iter().enumerate() {
            faults::heal(&client.machine);
            self.thaw(index);
        }
    }

    /// Waits until the tasks have ended, and then as long as releases may take to arrive. After
    /// that, no key may be left.
    async fn calm_down(&self, mut tasks: JoinSet<()>) {
        let joined = async {
            while let Some(ended) = tasks.join_next().await {
                if let Err(panic) = ended
                    && !panic.is_cancelled()
                {
                    self.violation(format!("a task panicked: {panic}"));
                }
            }
        };
        if timeout(Duration::from_secs(60), joined).await.is_err() {
            self.violation("I8: a task never ended".to_owned());
        }
        let quiet = self.plan.quiet();
        sleep(quiet).await;
        self.close_retired().await;
        if !self.plan.fencing || self.plan.has(Event::Flush) {
            // Without tombstones, an acquire that arrives after its release stays for its ttl.
            return;
        }
        for key in self.plan.targets() {
            if self.history().busy_until[key] + quiet > self.now() {
                continue;
            }
            let name = Self::name(key);
            for (index, node) in self.cluster.nodes().into_iter().enumerate() {
                if let Some(owner) = node.get(&name) {
                    let key_of = (index, key, owner);
                    if self.history().brought_back.contains(&key_of) {
                        continue;
                    }
                    let (.., owner) = key_of;
                    let left = node.ttl(&name);
                    self.violation(format!(
                        "I5: node {index} still has key {key} of {owner}, for {left:?}"
                    ));
                }
            }
        }
    }

    /// Cuts all connections of idle clients. A request that does not wait is granted nevertheless.
    async fn cut_idle(&self, dice: &mut Dice) {
        for client in 0..self.plan.clients {
            let silently = dice.random_bool(0.5);
            self.log(|| format!("client {client}: idle connections are cut, silently: {silently}"));
            self.count(Event::IdleCut);
            for node in self.clients[client].machine.nodes() {
                if silently {
                    node.half_open();
                } else {
                    node.reconnect();
                }
            }
            let redlock = self.process(client, 0).redlock;
            match redlock.lock("idle").no_wait().await {
                Ok(guard) => drop(guard.release().await),
                Err(error) => {
                    self.violation(format!(
                        "I8: no lock after idle connections were cut: {error}"
                    ));
                }
            }
        }
    }

    /// Starts a new process of each client that connects over a slow network. A request that does
    /// not wait is granted nevertheless: the round trips of the first connection do not count
    /// against it.
    async fn connect_from_afar(&self, dice: &mut Dice) {
        for client in 0..self.plan.clients {
            let delay = self.plan.node_timeout * dice.random_range(20..=35) / 100;
            self.log(|| {
                format!("client {client}: a new process, with a delay of {delay:?} each way")
            });
            self.count(Event::FarContact);
            let nodes = self.clients[client].machine.nodes();
            let set_delay = |delay| {
                for node in &nodes {
                    node.delay(delay);
                    node.delay_replies(delay);
                }
            };
            set_delay(delay);
            self.replace(client, 1);
            let redlock = self.process(client, 0).redlock;
            // A key without a fencing token so far.
            let name = format!("far-{}", self.now().as_micros());
            match redlock.lock(name).no_wait().await {
                Ok(guard) => drop(guard.release().await),
                Err(error) => {
                    self.violation(format!(
                        "I8: no lock at the first connection over a slow network: {error}"
                    ));
                }
            }
            set_delay(Duration::ZERO);
        }
    }

    /// Makes all clients connect to all nodes.
    async fn look_at_nodes(&self) {
        for client in 0..self.plan.clients {
            for task in 0..2 {
                self.process(client, task).redlock.health().await;
            }
        }
    }

    /// Checks that every client can lock every key again, and that no client state is left.
    async fn end(&self, dice: &mut Dice) {
        let busy = self.history().busy_until.iter().max().copied();
        let busy = busy.unwrap_or_default().saturating_sub(self.now());
        sleep(busy + self.plan.max_ttl).await;
        // The guard time of nodes that lost data begins when a client notices it: with the next
        // connection at the latest.
        for client in &self.clients {
            client.machine.nodes().iter().for_each(Node::reconnect);
        }
        self.look_at_nodes().await;
        sleep(self.plan.guard_time() + ms(1)).await;
        if !self.plan.has_votes() {
            // A node that lost its identity with its data, or refused an announced list, counts
            // once all clients have announced their lists again. They do so every 5 s, and an older
            // list counts for 15 s.
            for _ in 0..5 {
                self.look_at_nodes().await;
                sleep(Duration::from_secs(5)).await;
            }
        }
        if dice.random_bool(0.3) {
            self.cut_idle(dice).await;
        }
        for client in 0..self.plan.clients {
            for key in 0..self.plan.keys {
                self.lock_after_all(client, key).await;
            }
        }
        self.retire_all();
        self.close_retired().await;
    }

    async fn lock_after_all(&self, client: usize, key: usize) {
        let redlock = self.process(client, key).redlock;
        let ttl = self.plan.max_ttl;
        match redlock.lock(Self::name(key)).ttl(ttl).no_wait().await {
            Ok(guard) => {
                let grant = self.granted(client, key, ttl, &guard);
                self.ended(grant, true);
                if let Err(error) = guard.release().await {
                    self.violation(format!("a release failed after the storm: {error}"));
                }
            }
            Err(error) => self.violation(format!("I8: no lock after the storm: {error}")),
        }
    }
}

/// What tasks and faults use.
impl World {
    /// The key of foreign values.
    pub(crate) const FOREIGN: &str = "foreign";

    /// The name of the semaphore.
    pub(crate) const SEMAPHORE: &str = "permits";

    /// The name of a key or a permit on the nodes.
    pub(crate) fn name(key: usize) -> String {
        match key.checked_sub(FIRST_PERMIT) {
            None => format!("key-{key}"),
            Some(permit) => format!("{{{}}}{{}}:permit:{permit}", Self::SEMAPHORE),
        }
    }

    /// The time since the history began. It never decreases between two runtimes.
    pub(crate) fn now(&self) -> At {
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        At::from_nanos(self.latest.fetch_max(now, Relaxed).max(now))
    }

    pub(crate) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self, event: Event) {
        self.history().events.add(event);
    }

    pub(crate) fn log(&self, text: impl FnOnce() -> String) {
        let now = self.now();
        self.history().log(now, text);
    }

    pub(crate) fn violation(&self, text: String) {
        let now = self.now();
        self.history().violation(now, text);
    }

    /// Checks that a call that `client` began at `called` took no longer than `bound`, not counting
    /// the time for which the client was paused.
    pub(crate) fn within(
        &self,
        client: usize,
        called: At,
        bound: Duration,
        call: impl FnOnce() -> String,
    ) {
        let now = self.now();
        let took = now.saturating_sub(called);
        let ran = took.saturating_sub(self.history().paused_time(client, called, now));
        if ran > bound + self.plan.slack() {
            self.violation(format!(
                "{}: took {ran:?}, at most {bound:?} allowed",
                call()
            ));
        }
    }
}
