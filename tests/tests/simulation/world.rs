//! One history: nodes in memory, clients with their tasks, storms of faults and the quiet behind each.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use redlock::{
    Guard, Held, Redlock,
    memory::{Node, Nodes},
};
use tokio::{
    task::JoinSet,
    time::{Instant, advance, sleep, timeout},
};

use crate::{
    faults::{self, Nemesis},
    history::{At, CoolDown, Grant, History},
    holder,
    invariants::{self, TOLD_WITHIN},
    plan::{Fault, LONGEST_CUT, Plan, dice, ms},
};

/// How old the nodes are when the first client meets them.
const AGE: Duration = Duration::from_secs(3_600);

/// What all tasks of a history share.
pub(crate) struct World {
    pub(crate) plan: Plan,
    /// The nodes, and a network to them without faults.
    pub(crate) cluster: Nodes,
    pub(crate) clients: Vec<Client>,
    start: Instant,
    history: Mutex<History>,
    /// Clients of processes that were replaced, until the storm is over.
    handles: Mutex<Vec<Redlock>>,
}

/// One machine with one process on it, which may be replaced.
pub(crate) struct Client {
    /// The nodes, over the network of this machine.
    pub(crate) machine: Nodes,
    process: Mutex<Process>,
    frozen: Mutex<Option<At>>,
}

/// One process of a client.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) redlock: Redlock,
    /// It has reached the nodes: until then a request takes longer, by the first contact.
    pub(crate) has_met_nodes: Arc<AtomicBool>,
}

impl Process {
    fn new(redlock: Redlock) -> Self {
        Self {
            redlock,
            has_met_nodes: Arc::default(),
        }
    }
}

/// Runs the history of a plan, and checks it.
pub(crate) fn run(plan: &Plan, log: bool) -> History {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let mut history = runtime.block_on(live(plan, log));
    invariants::check(plan, &mut history);
    history
}

async fn live(plan: &Plan, log: bool) -> History {
    let cluster = Nodes::seeded(plan.nodes, plan.seed);
    advance(AGE).await;
    let clients = (0..plan.clients)
        .map(|_| Client::new(plan, &cluster))
        .collect();
    let world = Arc::new(World {
        plan: plan.clone(),
        cluster,
        clients,
        start: Instant::now(),
        history: Mutex::new(History {
            busy_until: vec![At::ZERO; plan.keys],
            log: log.then(Vec::new),
            ..History::default()
        }),
        handles: Mutex::default(),
    });
    let mut nemesis = Nemesis::new(&world, dice(plan.seed, 1));
    world.vouch().await;
    for storm in 0..plan.storms {
        let until = world.now() + plan.storm;
        let mut tasks = JoinSet::new();
        for client in 0..plan.clients {
            for task in 0..plan.tasks {
                let part = [2, u64::from(storm), client as u64, task as u64];
                let part = part.into_iter().fold(0, |all, part| all * 16 + part);
                let work = holder::work(Arc::clone(&world), client, dice(plan.seed, part), until);
                tasks.spawn(world.clients[client].machine.task(work));
            }
        }
        nemesis.storm(until).await;
        world.calm_down(tasks).await;
    }
    world.end().await;
    let mut history = world.history();
    let nodes = world.cluster.nodes();
    history.batches = nodes.iter().map(Node::__batches).sum();
    std::mem::take(&mut history)
}

fn connect(plan: &Plan, nodes: &Nodes) -> Redlock {
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

impl Client {
    fn new(plan: &Plan, cluster: &Nodes) -> Self {
        let machine = cluster.apart();
        Self {
            process: Mutex::new(Process::new(connect(plan, &machine))),
            machine,
            frozen: Mutex::default(),
        }
    }
}

/// The phases of a history.
impl World {
    /// An operator vouches for the nodes, as on a first deployment: the strict guard would have all wait.
    async fn vouch(&self) {
        connect(&self.plan, &self.cluster)
            .trust_nodes()
            .await
            .expect("all nodes answer");
    }

    /// Ends all faults.
    pub(crate) fn heal(&self) {
        self.tell(|| "the storm is over".to_owned());
        for (index, client) in self.clients.iter().enumerate() {
            faults::heal(&self.cluster, &client.machine);
            self.thaw(index);
        }
    }

    /// Waits until the tasks have let go, and then no longer than releases may take to arrive: no key may be left.
    async fn calm_down(&self, mut tasks: JoinSet<()>) {
        let joined = async {
            while let Some(ended) = tasks.join_next().await {
                if let Err(panic) = ended {
                    self.violation(format!("a task panicked: {panic}"));
                }
            }
        };
        if timeout(Duration::from_secs(60), joined).await.is_err() {
            self.violation("I8: a task never ended".to_owned());
        }
        // A release that was lost is sent again when the connection is given up.
        let quiet = self.plan.node_timeout * 4 + LONGEST_CUT + self.plan.delay * 2 + ms(50);
        sleep(quiet).await;
        self.close_retired().await;
        if !self.plan.fencing || self.plan.has(Fault::Flush) {
            // Without tombstones, one that arrives after its release stays for its ttl.
            return;
        }
        let stalled = self.history().stalled;
        let late = if stalled.is_zero() {
            stalled
        } else {
            stalled + self.plan.max_ttl
        };
        for key in 0..self.plan.keys {
            if self.history().busy_until[key].max(late) + quiet > self.now() {
                continue;
            }
            let name = Self::name(key);
            for (index, node) in self.cluster.nodes().into_iter().enumerate() {
                if let Some(owner) = node.get(&name) {
                    let left = node.ttl(&name);
                    self.violation(format!(
                        "I5: node {index} has key {key} of {owner} left, for {left:?}"
                    ));
                }
            }
        }
    }

    /// A node that lost its identity with its data counts once all clients have announced the new one. They do so every 5 s,
    /// and a list of before stands for 15 s.
    async fn agree_on_lists(&self) {
        for _ in 0..5 {
            for client in 0..self.plan.clients {
                self.process(client).redlock.health().await;
            }
            sleep(Duration::from_secs(5)).await;
        }
    }

    /// Everybody can lock everything again, and nothing is left behind.
    async fn end(&self) {
        let busy = self
            .history()
            .busy_until
            .iter()
            .max()
            .copied()
            .unwrap_or_default();
        sleep(busy.saturating_sub(self.now()) + self.plan.max_ttl).await;
        for client in 0..self.plan.clients {
            // Whoever meets a node that forgot waits from now on.
            self.process(client).redlock.health().await;
        }
        sleep(self.plan.guard_time() + ms(1)).await;
        self.agree_on_lists().await;
        for client in 0..self.plan.clients {
            for key in 0..self.plan.keys {
                let redlock = self.process(client).redlock;
                let ttl = self.plan.max_ttl;
                match redlock.lock(Self::name(key)).ttl(ttl).no_wait().await {
                    Ok(guard) => {
                        let grant = self.granted(client, key, ttl, &guard);
                        self.ended(grant, Some(()));
                        if let Err(error) = guard.release().await {
                            self.violation(format!("a release failed after the storm: {error}"));
                        }
                    }
                    Err(error) => self.violation(format!("I8: no lock after the storm: {error}")),
                }
            }
        }
        for client in 0..self.clients.len() {
            self.retire(self.process(client).redlock);
        }
        self.close_retired().await;
    }

    /// Ends the processes that were replaced. Their own maps are not public; what they print of themselves is.
    async fn close_retired(&self) {
        let handles =
            std::mem::take(&mut *self.handles.lock().unwrap_or_else(PoisonError::into_inner));
        for redlock in handles {
            redlock.close().await;
            let inside = format!("{redlock:?}");
            if !inside.contains(" keys: 0,") {
                self.violation(format!("I9: keys are left: {inside}"));
            }
        }
    }
}

/// What tasks and faults do to it.
impl World {
    pub(crate) fn name(key: usize) -> String {
        format!("key-{key}")
    }

    pub(crate) fn now(&self) -> At {
        self.start.elapsed()
    }

    pub(crate) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tell(&self, what: impl FnOnce() -> String) {
        let now = self.now();
        self.history().tell(now, what);
    }

    pub(crate) fn violation(&self, what: String) {
        let now = self.now();
        self.history().violation(now, what);
    }

    pub(crate) fn process(&self, client: usize) -> Process {
        self.clients[client]
            .process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A new process, which knows nothing of the nodes. What the old one holds goes on.
    pub(crate) fn replace(&self, client: usize) {
        let Client {
            machine, process, ..
        } = &self.clients[client];
        let fresh = connect(&self.plan, machine);
        let old = std::mem::replace(
            &mut *process.lock().unwrap_or_else(PoisonError::into_inner),
            Process::new(fresh),
        );
        self.retire(old.redlock);
    }

    fn retire(&self, redlock: Redlock) {
        self.handles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(redlock);
    }

    /// Stops a client's process; says whether it ran.
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
        history.stalled = to;
        for client in 0..self.plan.clients {
            history.stood_still.push((client, from, to));
        }
    }

    /// Checks that what `client` began at `called` took no longer than `bound`, but for the time it stood still.
    pub(crate) fn within(
        &self,
        client: usize,
        called: At,
        bound: Duration,
        what: impl FnOnce() -> String,
    ) {
        let now = self.now();
        let took = now.saturating_sub(called);
        let ran = took.saturating_sub(self.history().stood_still(client, called, now));
        if ran > bound {
            self.violation(format!(
                "{}: took {ran:?}, at most {bound:?} allowed",
                what()
            ));
        }
    }
}

/// What becomes of grants.
impl World {
    pub(crate) fn granted(&self, client: usize, key: usize, ttl: Duration, guard: &Guard) -> usize {
        let now = self.now();
        let valid_until = now + whole_micros(guard.remaining());
        let grant = Grant {
            client,
            key,
            owner: guard.owner().to_owned(),
            token: guard.token().get(),
            ttl,
            started: valid_until.saturating_sub(Plan::usable(ttl)),
            returned: now,
            valid_until,
            ended: None,
            cooled_down: None,
        };
        self.tell(|| {
            format!(
                "client {client}: granted: {grant}, {} rounds",
                guard.rounds()
            )
        });
        if guard.remaining().is_zero() {
            self.violation(format!("I6: a grant with nothing left: {grant}"));
        }
        let index = {
            let mut history = self.history();
            history.grants.push(grant);
            history.grants.len() - 1
        };
        self.look(index, &guard.held());
        index
    }

    /// Looks at a lock: what is told must be true on the nodes.
    pub(crate) fn look(&self, grant: usize, held: &Held) {
        let (now, told) = (self.now(), held.remaining());
        if told.is_zero() {
            return;
        }
        let mut history = self.history();
        let Grant {
            valid_until,
            ttl,
            key,
            owner,
            returned,
            ..
        } = &mut history.grants[grant];
        let until = now + whole_micros(told);
        *valid_until = (*valid_until).max(until);
        let since = until.saturating_sub(Plan::usable(*ttl));
        let (key, name, owner, returned) = (*key, Self::name(*key), owner.clone(), *returned);
        let mut deleted = history.deleted.iter();
        if let Some((_, at)) = deleted.find(|(of, at)| *of == key && returned < *at && *at < since)
        {
            let wrong = format!("E3: deleted on a majority at {at:?}, and extended after that");
            let grant = history.grants[grant].to_string();
            history.violation(now, format!("{wrong}: {grant}"));
        }
        if !self.plan.excludes() {
            return;
        }
        let nodes = self.cluster.nodes();
        let holding = nodes
            .iter()
            .filter(|node| node.get(&name).as_deref() == Some(&owner));
        let mut left: Vec<Duration> = holding.filter_map(|node| node.ttl(&name)).collect();
        let mut forgot: Vec<usize> = history
            .forgot
            .iter()
            .filter(|(_, at)| *at >= since)
            .map(|(node, _)| *node)
            .collect();
        forgot.sort_unstable();
        forgot.dedup();
        if let Err(wrong) = invariants::majority_holds(&self.plan, told, &mut left, forgot.len()) {
            let grant = history.grants[grant].to_string();
            history.violation(now, format!("{wrong}: {grant}"));
        }
    }

    /// Whether a guard that is about to end holds.
    pub(crate) fn ends(guard: &Guard) -> Option<()> {
        (!guard.remaining().is_zero()).then_some(())
    }

    /// The holder lets go of what it holds.
    pub(crate) fn ended(&self, grant: usize, holds: Option<()>) {
        let now = self.now();
        if holds.is_some() {
            self.history().grants[grant].ended.get_or_insert(now);
        }
    }

    /// The holder was told that the lock has ended.
    pub(crate) fn told(&self, grant: usize, held: &Held) {
        let now = self.now();
        let mut history = self.history();
        let Grant {
            client,
            valid_until,
            ended,
            ..
        } = history.grants[grant].clone();
        let late = now.saturating_sub(valid_until);
        let still = history.stood_still(client, valid_until, now);
        let late = late.saturating_sub(still);
        // An extension may have raised the validity unseen, between the last look and standing still.
        let within = if still.is_zero() {
            TOLD_WITHIN
        } else {
            TOLD_WITHIN + holder::LOOK
        };
        if ended.is_none() {
            history.tell(now, || {
                format!("client {client}: told of the end of grant {grant}")
            });
            if late > within {
                let grant = history.grants[grant].to_string();
                history.violation(now, format!("E5: lost was told {late:?} late: {grant}"));
            }
            history.grants[grant].ended = Some(now);
        }
        if !held.remaining().is_zero() {
            let grant = history.grants[grant].to_string();
            history.violation(now, format!("E4: validity after the end: {grant}"));
        }
    }

    pub(crate) fn cooled_down(&self, grant: usize, cooled_down: CoolDown) {
        let drift = |window: Duration| window / 100 + ms(2);
        let window = cooled_down.until.saturating_sub(cooled_down.confirmed);
        let until = cooled_down
            .until
            .saturating_sub(drift(window + self.plan.max_ttl));
        self.history().grants[grant].cooled_down = Some(CoolDown {
            until,
            ..cooled_down
        });
    }

    /// A key may be busy without a holder until then.
    pub(crate) fn busy(&self, key: usize, until: At) {
        let mut history = self.history();
        let busy = &mut history.busy_until[key];
        *busy = (*busy).max(until);
    }

    pub(crate) fn describe(&self, grant: usize) -> String {
        self.history().grants[grant].to_string()
    }
}

/// Rounded up: a clock counts whole microseconds since a beginning that differs from run to run.
fn whole_micros(time: Duration) -> Duration {
    let micros = time.as_nanos().div_ceil(1_000);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}
