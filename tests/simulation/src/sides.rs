//! Readers and writers of a read/write lock under faults: no reader holds beside a writer, and tokens follow the writers.
//! Histories of their own, without the kinds and invariants of exclusive locks.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rand::RngExt;
use redlock::{Guard, Held, Redlock, memory::Nodes};
use tokio::{
    task::JoinSet,
    time::{Instant, advance, sleep, timeout},
};

use crate::{
    faults::{cut, for_a_while},
    grants::is_valid,
    plan::{Dice, dice, millis, ms, some_ms},
    run::number,
    runtimes::runtime,
};

/// The default number of histories.
const HISTORIES: u64 = 15;
const MAX_TTL: Duration = ms(200);
const SKEW: Duration = ms(100);
/// Between two losses of data, of one node. It is longer than the guard time.
const FORGETS_EVERY: Duration = ms(1_000);
/// How old the nodes are when the first client meets them.
const AGE: Duration = Duration::from_secs(3_600);
const CLIENTS: usize = 3;
const TASKS: usize = 3;
/// Requests of each task.
const TURNS: usize = 12;
/// Simulated. Longer than a history takes, and than an intent stays.
const SOON: Duration = Duration::from_secs(120);

/// What the tasks of a history have been granted.
#[derive(Default)]
struct Grants {
    /// The guards that may still be valid: a number, whether it writes, and the lock.
    holders: Vec<(u64, bool, Held)>,
    /// The highest token of a writer, and of all.
    written: u64,
    granted: u64,
    reads: u64,
    writes: u64,
    /// Grants to a reader beside another one.
    shared: u64,
    violations: Vec<String>,
}

impl Grants {
    /// Adds a grant, and returns its number. One that was lost before its task went on is no grant.
    fn add(&mut self, writes: bool, held: Held) -> u64 {
        let number = self.reads + self.writes;
        if !is_valid(&held) {
            return u64::MAX;
        }
        self.holders.retain(|(_, _, other)| is_valid(other));
        let token = held.token().get();
        let beside = self.holders.iter().filter(|other| writes || other.1);
        let beside = beside.map(|(_, other, held)| (*other, held.token().get()));
        for (other, other_token) in beside {
            self.violations.push(format!(
                "a holder (writes: {writes}, token {token}) is beside another (writes: {other}, token {other_token})"
            ));
        }
        let above = if writes { self.granted } else { self.written };
        if token <= above {
            self.violations.push(format!(
                "token {token} (writes: {writes}) is not above {above}"
            ));
        }
        self.granted = self.granted.max(token);
        if writes {
            self.writes += 1;
            self.written = self.written.max(token);
        } else {
            self.reads += 1;
            self.shared += u64::from(!self.holders.is_empty());
        }
        self.holders.push((number, writes, held));
        number
    }

    fn remove(&mut self, number: u64) {
        self.holders.retain(|(other, ..)| *other != number);
    }
}

/// One history: the nodes, the network of each client to them, and what was granted.
struct Sides {
    nodes: Nodes,
    machines: Vec<Nodes>,
    grants: Mutex<Grants>,
}

impl Sides {
    fn grants<T>(&self, change: impl FnOnce(&mut Grants) -> T) -> T {
        change(&mut self.grants.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A task that reads and writes in turns.
    async fn work(self: Arc<Self>, redlock: Redlock, mut dice: Dice) {
        for _ in 0..TURNS {
            let writes = dice.random_bool(0.3);
            let lock = redlock.rwlock("catalog");
            let request = if writes { lock.write() } else { lock.read() };
            let request = request
                .ttl(some_ms(&mut dice, 40..=millis(MAX_TTL)))
                .keep_alive(dice.random_bool(0.7))
                .wait(some_ms(&mut dice, 0..=1_000));
            // Dropped at any time.
            let patience = some_ms(&mut dice, 1..=1_500);
            if let Ok(Ok(guard)) = timeout(patience, request.into_future()).await {
                self.hold(guard, writes, &mut dice).await;
            }
            sleep(some_ms(&mut dice, 0..=20)).await;
        }
    }

    async fn hold(&self, guard: Guard, writes: bool, dice: &mut Dice) {
        let number = self.grants(|grants| grants.add(writes, guard.held()));
        sleep(some_ms(dice, 0..=150)).await;
        self.grants(|grants| grants.remove(number));
        if dice.random_bool(0.8) {
            // Unconfirmed where nodes are down.
            let _ = guard.release().await;
        }
    }

    /// Injects a fault at a time, until it is dropped.
    async fn faults(&self, mut dice: Dice) {
        let forgets = self
            .nodes
            .node(dice.random_range(0..self.nodes.nodes().len()));
        let mut forgot = Instant::now();
        loop {
            let length = some_ms(&mut dice, 5..=300);
            let node = self
                .nodes
                .node(dice.random_range(0..self.nodes.nodes().len()));
            let machine = &self.machines[dice.random_range(0..CLIENTS)];
            let links = machine.nodes();
            match dice.random_range(0..7) {
                0 => for_a_while(length, || node.stop(), || node.start()).await,
                1 => for_a_while(length, || node.hang(), || node.resume()).await,
                2 => for_a_while(length, || machine.freeze(), || machine.thaw()).await,
                3 => for_a_while(length, || cut(&links, true), || cut(&links, false)).await,
                4 => {
                    let link = &links[dice.random_range(0..links.len())];
                    let held_back = || {
                        link.hold_back();
                    };
                    let late = || {
                        link.reconnect();
                        link.deliver_late();
                    };
                    for_a_while(length, held_back, late).await;
                }
                5 if forgot.elapsed() > FORGETS_EVERY => {
                    forgets.restart_empty();
                    forgot = Instant::now();
                }
                _ => sleep(length).await,
            }
        }
    }

    /// After all faults, nobody is kept out, and nothing is left.
    async fn end(&self, clients: Vec<Redlock>) {
        for client in &clients {
            let lock = client.rwlock("catalog");
            for request in [lock.write(), lock.read()] {
                let guard = request.ttl(MAX_TTL).wait(SOON).await;
                let ended = match guard {
                    Ok(guard) => guard.release().await,
                    Err(error) => Err(error),
                };
                if let Err(error) = ended {
                    let text = format!("refused without faults: {error}");
                    self.grants(|grants| grants.violations.push(text));
                }
            }
        }
        sleep(SOON).await;
        let ends = ["}:rw:writer", "}:rw:readers", "}:rw:intent"];
        let keys = self.nodes.nodes().into_iter().flat_map(|node| node.keys());
        let left: Vec<_> = keys
            .filter(|key| ends.iter().any(|end| key.ends_with(end)))
            .collect();
        if !left.is_empty() {
            self.grants(|grants| grants.violations.push(format!("left: {left:?}")));
        }
        for client in clients {
            client.close().await;
        }
    }
}

fn client(machine: &Nodes) -> Redlock {
    Redlock::builder()
        .nodes(machine.nodes())
        .max_ttl(MAX_TTL)
        .ttl(MAX_TTL)
        .clock_skew(SKEW)
        .node_timeout(ms(20))
        .connect_lazy()
        .expect("a client")
}

async fn live(seed: u64, nodes: Nodes) -> Grants {
    let mut clocks = dice(seed, 1);
    for node in nodes.nodes() {
        node.shift_clock(some_ms(&mut clocks, 0..=millis(SKEW)));
    }
    let machines: Vec<Nodes> = (0..CLIENTS).map(|_| nodes.apart()).collect();
    let clients: Vec<Redlock> = machines.iter().map(client).collect();
    let sides = Arc::new(Sides {
        nodes,
        machines,
        grants: Mutex::default(),
    });
    let mut tasks = JoinSet::new();
    for (index, redlock) in clients.iter().enumerate() {
        for task in 0..TASKS {
            let dice = dice(seed, (2 + index * TASKS + task) as u64);
            let work = Arc::clone(&sides).work(redlock.clone(), dice);
            tasks.spawn(sides.machines[index].task(work));
        }
    }
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            ended.expect("no panic");
        }
    };
    tokio::select! {
        () = all => {}
        () = sides.faults(dice(seed, 100)) => {}
    }
    sides.end(clients).await;
    let mut grants = sides.grants.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *grants)
}

fn history(seed: u64) -> Grants {
    let runtime = runtime();
    let nodes = {
        let _inside = runtime.enter();
        Nodes::seeded(if seed.is_multiple_of(4) { 5 } else { 3 }, seed)
    };
    runtime.block_on(advance(AGE));
    runtime.block_on(live(seed, nodes))
}

#[test]
fn no_reader_holds_beside_a_writer() {
    let histories = number("SIM_HISTORIES").map_or(HISTORIES, |all| all.div_ceil(10));
    let from = number("SIM_FROM").unwrap_or(0);
    let (mut reads, mut writes, mut shared) = (0, 0, 0);
    for seed in from..from + histories {
        let grants = history(seed);
        assert!(
            grants.violations.is_empty(),
            "seed {seed}: {:#?}",
            grants.violations
        );
        reads += grants.reads;
        writes += grants.writes;
        shared += grants.shared;
    }
    println!("{histories} histories: {reads} reads, {shared} beside another one, {writes} writes");
    assert!(
        shared > histories && writes > histories,
        "too little happens: {reads} reads, {shared} beside another one, {writes} writes"
    );
}
