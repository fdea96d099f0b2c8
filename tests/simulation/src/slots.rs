//! Locks on three nodes that are Redis Clusters, while slots move and replicas without the latest locks take over. Histories of
//! their own, without the kinds and invariants of nodes that are single servers.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::RngExt;
use redlock::{
    Held, Redlock,
    memory::{Node, Nodes, RedisCluster},
};
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
const HISTORIES: u64 = 1;
const MAX_TTL: Duration = ms(400);
const SKEW: Duration = ms(100);
/// Between two failovers. It is longer than the slots that moved have no vote.
const FAILS_OVER_EVERY: Duration = ms(3_000);
/// How long a master that was replaced may not know it: no longer than votes count without a confirmed map.
const CUT_OFF: Duration = ms(1_500);
/// How old the nodes are when the first client meets them.
const AGE: Duration = Duration::from_secs(3_600);
const CLUSTERS: usize = 3;
/// Of each cluster: two masters, and a replica of one of them.
const SERVERS: usize = 3;
const MASTERS: usize = 2;
const CLIENTS: usize = 3;
const TASKS: usize = 2;
/// Requests of each task.
const TURNS: usize = 15;
/// On slots of both masters.
const KEYS: [&str; 2] = ["invoice:1", "invoice:2"];
/// Simulated. Longer than any slot has no vote.
const SOON: Duration = Duration::from_secs(60);

/// What happened in a history.
#[derive(Default)]
struct Seen {
    /// For each key: the lock that may still be valid, and the highest token.
    keys: [(Option<Held>, u64); KEYS.len()],
    grants: u64,
    moves: u64,
    failovers: u64,
    /// Grants while a slot was moving.
    amid: u64,
    is_moving: bool,
    new_clients: u64,
    violations: Vec<String>,
}

impl Seen {
    fn granted(&mut self, key: usize, held: Held) {
        if !is_valid(&held) {
            // Lost before its task went on.
            return;
        }
        let token = held.token().get();
        let (holder, highest) = &mut self.keys[key];
        if let Some(other) = holder.take().filter(is_valid) {
            self.violations.push(format!(
                "{}: a holder with token {token} is beside one with token {}",
                KEYS[key],
                other.token().get()
            ));
        }
        if token <= *highest {
            self.violations.push(format!(
                "{}: token {token} is not above {highest}",
                KEYS[key]
            ));
        }
        *highest = token.max(*highest);
        *holder = Some(held);
        self.grants += 1;
        self.amid += u64::from(self.is_moving);
    }

    fn released(&mut self, key: usize, held: &Held) {
        let holder = &mut self.keys[key].0;
        if holder
            .as_ref()
            .is_some_and(|other| other.token() == held.token())
        {
            *holder = None;
        }
    }
}

/// One history.
struct World {
    clusters: Vec<RedisCluster>,
    machines: Vec<Nodes>,
    clients: Mutex<Vec<Redlock>>,
    retired: Mutex<Vec<Redlock>>,
    seen: Mutex<Seen>,
}

fn whole<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    async fn work(self: Arc<Self>, client: usize, mut dice: Dice) {
        for _ in 0..TURNS {
            let key = dice.random_range(0..KEYS.len());
            let redlock = whole(&self.clients)[client].clone();
            let request = redlock
                .lock(KEYS[key])
                .ttl(some_ms(&mut dice, 60..=millis(MAX_TTL)))
                .keep_alive(dice.random_bool(0.7))
                .wait(some_ms(&mut dice, 0..=2_000));
            // Dropped at any time.
            let patience = some_ms(&mut dice, 1..=2_500);
            if let Ok(Ok(guard)) = timeout(patience, request.into_future()).await {
                let held = guard.held();
                whole(&self.seen).granted(key, held.clone());
                sleep(some_ms(&mut dice, 0..=500)).await;
                whole(&self.seen).released(key, &held);
                if dice.random_bool(0.8) {
                    // Unconfirmed where nodes are down.
                    let _ = guard.release().await;
                }
            }
            sleep(some_ms(&mut dice, 0..=50)).await;
        }
    }

    /// Injects a fault at a time, until it is dropped.
    async fn faults(&self, mut dice: Dice) {
        let mut failed_over = Instant::now();
        // Which server of each cluster is the replica, and of which.
        let mut replicas = [(SERVERS - 1, 0); CLUSTERS];
        loop {
            let length = some_ms(&mut dice, 5..=400);
            let cluster = dice.random_range(0..CLUSTERS);
            let client = dice.random_range(0..CLIENTS);
            let machine = &self.machines[client];
            let links = machine.nodes();
            let server = &self.clusters[cluster].servers()[dice.random_range(0..SERVERS)];
            match dice.random_range(0..8) {
                0 => for_a_while(length, || server.hang(), || server.resume()).await,
                1 => for_a_while(length, || machine.freeze(), || machine.thaw()).await,
                2 => {
                    let links = &links[cluster * SERVERS..][..SERVERS];
                    for_a_while(length, || cut(links, true), || cut(links, false)).await;
                }
                3 => self.replace(client),
                4 if dice.random_bool(0.3) => {
                    self.move_slot(cluster, &replicas[cluster], &mut dice).await;
                }
                5..8 if failed_over.elapsed() > FAILS_OVER_EVERY => {
                    self.fail_over(cluster, &mut replicas[cluster], &mut dice)
                        .await;
                    failed_over = Instant::now();
                }
                _ => sleep(length).await,
            }
        }
    }

    /// Another process connects in place of a client.
    fn replace(&self, client: usize) {
        let new = connect(&self.clusters, &self.machines[client]);
        let old = std::mem::replace(&mut whole(&self.clients)[client], new);
        whole(&self.retired).push(old);
        whole(&self.seen).new_clients += 1;
    }

    /// Moves the slot of a key, with its keys, from one master to the other.
    async fn move_slot(&self, cluster: usize, replica: &(usize, usize), dice: &mut Dice) {
        let cluster = &self.clusters[cluster];
        let key = KEYS[dice.random_range(0..KEYS.len())];
        let from = cluster.owner_of(key);
        let to = (0..SERVERS).find(|server| *server != from && *server != replica.0);
        whole(&self.seen).is_moving = true;
        cluster.begin_move(key, to.expect("another master"));
        sleep(some_ms(dice, 0..=300)).await;
        cluster.move_keys(key);
        sleep(some_ms(dice, 0..=300)).await;
        cluster.move_keys(key);
        cluster.end_move(key);
        let mut seen = whole(&self.seen);
        seen.is_moving = false;
        seen.moves += 1;
    }

    /// The replica takes over with what was copied to it, while a holder needs the vote of its master. For a while, the old master may
    /// not know that.
    async fn fail_over(&self, number: usize, replica: &mut (usize, usize), dice: &mut Dice) {
        let cluster = &self.clusters[number];
        let (to, from) = *replica;
        let servers = cluster.servers();
        servers[to].replicate(&servers[from]);
        // One of the other clusters cannot be reached, until a lock is granted without it.
        let silent = (number + dice.random_range(1..CLUSTERS)) % CLUSTERS;
        let key = (0..KEYS.len()).find(|key| cluster.owner_of(KEYS[*key]) == from);
        if let Some(key) = key {
            let links = self.machines.iter().map(Nodes::nodes);
            let links = links.flat_map(|links| links[silent * SERVERS..][..SERVERS].to_vec());
            let links: Vec<Node> = links.collect();
            cut(&links, true);
            self.next_grant(key).await;
            cut(&links, false);
        }
        cluster.cut_off(from, dice.random_bool(0.5));
        servers[to].promote();
        cluster.fail_over(from, to);
        whole(&self.seen).failovers += 1;
        sleep(some_ms(dice, 0..=millis(CUT_OFF))).await;
        cluster.cut_off(from, false);
        servers[from].replicate(&servers[to]);
        *replica = (from, to);
    }

    /// Waits for the next lock on a key, for a while.
    async fn next_grant(&self, key: usize) {
        let grants = || whole(&self.seen).keys[key].1;
        let before = grants();
        for _ in 0..500 {
            if grants() != before {
                return;
            }
            sleep(ms(1)).await;
        }
    }

    /// After all faults, nobody is kept out, and nothing is left.
    async fn end(&self) {
        let clients = whole(&self.clients).clone();
        for client in &clients {
            for key in KEYS {
                let guard = client.lock(key).ttl(MAX_TTL).wait(SOON).await;
                let ended = match guard {
                    Ok(guard) => guard.release().await,
                    Err(error) => Err(error),
                };
                if let Err(error) = ended {
                    let text = format!("refused without faults: {error}");
                    whole(&self.seen).violations.push(text);
                }
            }
        }
        sleep(SOON).await;
        let servers = self.clusters.iter().flat_map(RedisCluster::servers);
        let left = servers.flat_map(Node::keys);
        let left: Vec<_> = left.filter(|key| KEYS.contains(&key.as_str())).collect();
        if !left.is_empty() {
            whole(&self.seen).violations.push(format!("left: {left:?}"));
        }
        let retired = std::mem::take(&mut *whole(&self.retired));
        for client in clients.into_iter().chain(retired) {
            client.close().await;
        }
    }
}

fn connect(clusters: &[RedisCluster], machine: &Nodes) -> Redlock {
    let links = machine.nodes();
    let seen = clusters.iter().zip(links.chunks(SERVERS));
    Redlock::builder()
        .nodes(seen.map(|(cluster, links)| cluster.apart(links.to_vec())))
        .max_ttl(MAX_TTL)
        .ttl(MAX_TTL)
        .clock_skew(SKEW)
        .node_timeout(ms(20))
        .connect_lazy()
        .expect("a client")
}

async fn live(seed: u64, nodes: Nodes) -> Seen {
    let servers = nodes.nodes();
    let clusters = servers.chunks(SERVERS);
    let clusters = clusters.map(|servers| RedisCluster::new(servers.to_vec(), MASTERS));
    let clusters: Vec<RedisCluster> = clusters.collect();
    let machines: Vec<Nodes> = (0..CLIENTS).map(|_| nodes.apart()).collect();
    let clients = machines.iter().map(|machine| connect(&clusters, machine));
    let world = Arc::new(World {
        clients: Mutex::new(clients.collect()),
        retired: Mutex::default(),
        clusters,
        machines,
        seen: Mutex::default(),
    });
    let mut tasks = JoinSet::new();
    for client in 0..CLIENTS {
        for task in 0..TASKS {
            let dice = dice(seed, (2 + client * TASKS + task) as u64);
            let work = Arc::clone(&world).work(client, dice);
            tasks.spawn(world.machines[client].task(work));
        }
    }
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            ended.expect("no panic");
        }
    };
    tokio::select! {
        () = all => {}
        () = world.faults(dice(seed, 100)) => {}
    }
    nodes.heal();
    for cluster in &world.clusters {
        for server in 0..SERVERS {
            cluster.cut_off(server, false);
        }
        for key in KEYS {
            cluster.move_keys(key);
            cluster.end_move(key);
        }
    }
    world.end().await;
    std::mem::take(&mut *whole(&world.seen))
}

fn history(seed: u64) -> Seen {
    let runtime = runtime();
    let nodes = {
        let _inside = runtime.enter();
        Nodes::seeded(CLUSTERS * SERVERS, seed)
    };
    runtime.block_on(advance(AGE));
    runtime.block_on(live(seed, nodes))
}

#[test]
fn slots_that_move_take_no_lock_along() {
    let histories = number("SIM_HISTORIES").map_or(HISTORIES, |all| all.div_ceil(200));
    let from = number("SIM_FROM").unwrap_or(0);
    let mut all = Seen::default();
    for seed in from..from + histories {
        let seen = history(seed);
        assert!(
            seen.violations.is_empty(),
            "SIM_FROM={seed} SIM_HISTORIES=1: {:#?}",
            seen.violations
        );
        all.grants += seen.grants;
        all.moves += seen.moves;
        all.failovers += seen.failovers;
        all.amid += seen.amid;
        all.new_clients += seen.new_clients;
    }
    let text = format!(
        "{histories} histories of clusters: {} grants, {} of them while a slot moved; {} moves, {} failovers, {} new clients",
        all.grants, all.amid, all.moves, all.failovers, all.new_clients
    );
    println!("{text}");
    // Some are rare.
    if histories < 10 {
        return;
    }
    let least = [
        all.grants / 10,
        all.amid,
        all.moves,
        all.failovers,
        all.new_clients,
    ];
    assert!(
        least.iter().all(|times| *times >= histories),
        "too little happens: {text}"
    );
}
