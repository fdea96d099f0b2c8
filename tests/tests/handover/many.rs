//! Many locks handed over between processes that are killed: no two hold one at a time.
//!
//! The processes are the program `handover`. `HANDOVERS=10000` is the long run.

use std::{
    collections::{BTreeMap, HashMap},
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use tests::{Cluster, within};
use tokio::process::{Child, Command};

use crate::SOON;

/// How many orders are begun between two kills, at least.
const KILL_EVERY: usize = 25;
/// The most kills.
const KILLS: usize = 60;

struct Processes {
    /// The sender, and the workers. They end before the servers.
    running: [Running; 3],
    nodes: Cluster,
    store: Cluster,
    count: usize,
    started: usize,
    /// The workers that were killed, and when each of them surely still ran.
    killed: HashMap<String, u64>,
}

struct Running {
    name: String,
    child: Child,
}

impl Processes {
    async fn start(count: usize) -> Self {
        let (nodes, store) = (Cluster::start(3).await, Cluster::start(1).await);
        let mut group = redis::cmd("XGROUP");
        group.arg("CREATE").arg("orders").arg("workers");
        let () = store.node(0).ask(group.arg("0").arg("MKSTREAM")).await;
        let running = [0, 1, 2].map(|place| spawn(&nodes, &store, count, place, place));
        Self {
            running,
            nodes,
            store,
            count,
            started: 3,
            killed: HashMap::new(),
        }
    }

    /// Kills the process at that place, and starts another one.
    async fn replace(&mut self, place: usize) {
        let alive_until = now();
        self.running[place]
            .child
            .kill()
            .await
            .expect("our own child");
        let name = self.running[place].name.clone();
        self.killed.insert(name, alive_until);
        self.running[place] = spawn(&self.nodes, &self.store, self.count, place, self.started);
        self.started += 1;
    }

    async fn number(&self, command: &redis::Cmd) -> usize {
        self.store.node(0).ask(command).await
    }
}

fn spawn(nodes: &Cluster, store: &Cluster, count: usize, place: usize, number: usize) -> Running {
    let name = format!("worker-{number}");
    let (job, arg) = match place {
        0 => ("send", count.to_string()),
        _ => ("work", name.clone()),
    };
    let child = Command::new(env!("CARGO_BIN_EXE_handover"))
        .args([job, &nodes.urls().join(","), &store.node(0).url(), &arg])
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    Running {
        name,
        child: child.expect("the program starts"),
    }
}

/// One holder of the lock of an order.
#[derive(Debug)]
struct Holder {
    worker: String,
    token: u64,
    adopted: bool,
    /// From when to when it surely held the lock.
    began: u64,
    until: u64,
    ended: bool,
}

/// The holders of each order, in the order in which they began.
fn holders(marks: &[String], killed: &HashMap<String, u64>) -> BTreeMap<usize, Vec<Holder>> {
    let mut orders = BTreeMap::<usize, Vec<Holder>>::new();
    for mark in marks {
        let words: Vec<&str> = mark.split(' ').collect();
        let number = |place: usize| words[place].parse::<u64>().expect("a number");
        let holders = orders
            .entry(words[2].parse().expect("an order"))
            .or_default();
        match words[0] {
            "begin" => {
                let alive_until = killed.get(words[1]).copied().unwrap_or(u64::MAX);
                holders.push(Holder {
                    worker: words[1].to_owned(),
                    token: number(3),
                    adopted: words[6] == "adopted",
                    began: number(4),
                    until: number(5).min(alive_until),
                    ended: false,
                });
            }
            _ => {
                let holder = holders.iter_mut().find(|holder| holder.token == number(3));
                // The beginning of a holder is not recorded if a later one had begun.
                if let Some(holder) = holder {
                    holder.until = holder.until.min(number(4));
                    holder.ended = true;
                }
            }
        }
    }
    for holders in orders.values_mut() {
        holders.sort_by_key(|holder| holder.began);
    }
    orders
}

/// What is wrong with the holders of one order.
fn violations(order: usize, holders: &[Holder]) -> Vec<String> {
    let mut violations = Vec::new();
    for pair in holders.windows(2) {
        if pair[0].until > pair[1].began {
            violations.push(format!("order {order}: two at once: {pair:?}"));
        }
        if pair[0].token >= pair[1].token {
            violations.push(format!("order {order}: tokens: {pair:?}"));
        }
    }
    if holders.iter().filter(|holder| holder.adopted).count() > 1 {
        violations.push(format!("order {order}: adopted twice: {holders:?}"));
    }
    violations
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_hold_a_lock_that_is_handed_over_while_the_processes_are_killed() {
    let count: usize =
        std::env::var("HANDOVERS").map_or(300, |count| count.parse().expect("a number"));
    let begun = Instant::now();
    let mut processes = Processes::start(count).await;
    let every = KILL_EVERY.max(count / KILLS);
    let patience = SOON + Duration::from_millis(50) * u32::try_from(count).expect("a few");
    within(patience, async {
        let mut kills = 0;
        while processes.number(redis::cmd("HLEN").arg("shipped")).await < count {
            let marks = processes.number(redis::cmd("LLEN").arg("marks")).await;
            // Each order has two marks, or a few more.
            if marks / 2 > every * (kills + 1) {
                processes.replace(kills % 3).await;
                kills += 1;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    let took = begun.elapsed();
    let store = processes.store.node(0);
    let mut all = redis::cmd("LRANGE");
    let marks: Vec<String> = store.ask(all.arg("marks").arg(0).arg(-1)).await;
    let shipped: Vec<usize> = store.ask(redis::cmd("HVALS").arg("shipped")).await;
    let orders = holders(&marks, &processes.killed);
    let all = || orders.values().flatten();
    let killed =
        all().filter(|holder| !holder.ended && processes.killed.contains_key(&holder.worker));
    let killed = killed.count();
    println!(
        "{count} orders in {took:.1?}: {} holders, {} by adoption; {} processes killed, {killed} holders with them",
        all().count(),
        all().filter(|holder| holder.adopted).count(),
        processes.killed.len(),
    );
    let wrong: Vec<String> = orders
        .iter()
        .flat_map(|(order, holders)| violations(*order, holders))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(shipped.len(), count);
    assert!(shipped.iter().all(|times| *times == 1), "shipped twice");
    // The test of the test: the kills meet holders, and the locks of those go on.
    assert!(processes.killed.len() >= 6 && killed > 0);
    assert!(all().any(|holder| holder.adopted));
}

#[test]
fn two_holders_at_once_and_a_second_adoption_are_found() {
    let of = |marks: &[&str]| {
        let marks: Vec<String> = marks.iter().map(|mark| (*mark).to_owned()).collect();
        let killed = HashMap::from([("dead".to_owned(), 30)]);
        violations(7, &holders(&marks, &killed)[&7]).len()
    };
    let first = ["begin a 7 1 10 90 adopted", "end a 7 1 20"];
    let then = |mark: &'static str| of(&[&first[..], &[mark]].concat());
    assert_eq!(then("begin b 7 2 25 99 locked"), 0);
    assert_eq!(then("begin b 7 2 15 99 locked"), 1);
    assert_eq!(then("begin b 7 2 25 99 adopted"), 1);
    assert_eq!(then("begin b 7 1 25 99 locked"), 1);
    let killed = "begin dead 7 1 10 90 adopted";
    assert_eq!(of(&[killed, "begin b 7 2 35 99 locked"]), 0);
    assert_eq!(of(&[killed, "begin b 7 2 25 99 locked"]), 1);
}

/// Nanoseconds, as the processes record them.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
