//! Payments in duplicates of 2 to 5, over HTTP/1 and HTTP/2, to two server processes on five nodes of which one is dead and one
//! hangs, by clients that time out and try again, while the servers are killed in their handlers: each payment is made once,
//! and every answer to it is the same. Without the lock it is not.
//!
//! `SUBMITS=10000 cargo test -p tests --test resubmit` makes more of them.
#![allow(clippy::unwrap_used)]

use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::random_range;
use tests::{Cluster, within};
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::{Instant, sleep},
};

const USERS: usize = 20;
/// For all clients of one submit, kills and expired locks included.
const BOUND: Duration = Duration::from_secs(120);

struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    async fn start(args: &[String]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_payment_server"))
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = spawn_blocking(move || {
            lines.find_map(|line| line.ok()?.strip_prefix("listening ")?.parse().ok())
        });
        let address = address.await.unwrap();
        Self {
            process,
            address: address.expect("the server process did not come up"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL: no handler ends, and no lock is released.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the clients know of the service.
#[derive(Clone)]
struct Service {
    addresses: Arc<Mutex<[SocketAddr; 2]>>,
    /// HTTP/1 and HTTP/2.
    clients: [reqwest::Client; 2],
}

impl Service {
    fn new(servers: &[Server; 2]) -> Self {
        let http2 = reqwest::Client::builder().http2_prior_knowledge();
        Self {
            addresses: Arc::new(Mutex::new([servers[0].address, servers[1].address])),
            clients: [reqwest::Client::new(), http2.build().unwrap()],
        }
    }

    /// Sends a payment until it has a receipt, to any of the servers. Returns the receipt.
    async fn pay(self, user: usize, payment: usize) -> String {
        let end = Instant::now() + BOUND;
        loop {
            let to = self.addresses.lock().unwrap()[random_range(0..2)];
            let sent = self.clients[random_range(0..2)]
                .post(format!("http://{to}/payments"))
                .header("x-user-id", format!("user-{user}"))
                .header("idempotency-key", format!("\"{payment}\""))
                .timeout(Duration::from_millis(random_range(30..2000)))
                .send();
            let failed = match sent.await {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    match (status, answer.text().await) {
                        (201, Ok(receipt)) => return receipt,
                        // Busy, no quorum, lost, and an answer that was cut off.
                        (201 | 409 | 503, _) => status.to_string(),
                        (status, text) => panic!("{status}: {text:?}"),
                    }
                }
                Err(error) => error.to_string(),
            };
            assert!(Instant::now() < end, "no receipt: {failed}");
            sleep(Duration::from_millis(random_range(10..100))).await;
        }
    }

    /// All payments of a user, one after the other, each in duplicates.
    async fn pay_all(self, user: usize, payments: usize) -> usize {
        let mut answers = 0;
        for payment in 0..payments {
            let mut clients = JoinSet::new();
            for _ in 0..random_range(2..=5) {
                clients.spawn(self.clone().pay(user, payment));
            }
            answers += clients.len();
            let receipts: HashSet<String> = clients.join_all().await.into_iter().collect();
            assert_eq!(receipts.len(), 1, "one answer to all of them: {receipts:?}");
            let receipt = receipts.into_iter().next().unwrap_or_default();
            assert!(receipt.starts_with(&format!("user-{user} ")), "{receipt}");
        }
        answers
    }
}

/// What the store has counted.
struct Counts {
    payments: usize,
    twice: usize,
    begun: usize,
    ended: usize,
}

async fn counts(store: &Cluster) -> Counts {
    let node = store.node(0);
    let mut effects = Vec::new();
    for key in node.keys().await {
        if key.starts_with("payment:") {
            let count: Option<usize> = node.ask(redis::cmd("HGET").arg(&key).arg("effects")).await;
            effects.extend(count);
        }
    }
    let number = async |key| {
        node.get(key)
            .await
            .map_or(0, |count| count.parse().unwrap())
    };
    Counts {
        payments: effects.len(),
        twice: effects.iter().filter(|count| **count > 1).count(),
        begun: number("begun").await,
        ended: number("ended").await,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_payment_is_made_once_while_servers_and_nodes_fail() {
    let submits: usize = std::env::var("SUBMITS").map_or(200, |submits| submits.parse().unwrap());
    let (cluster, store) = (Cluster::start(5).await, Cluster::start(1).await);
    let args = [cluster.urls().join(","), store.node(0).url()];
    let mut servers = [Server::start(&args).await, Server::start(&args).await];
    let service = Service::new(&servers);
    let mut users = JoinSet::new();
    for user in 0..USERS {
        users.spawn(service.clone().pay_all(user, submits.div_ceil(USERS)));
    }
    cluster.node(1).kill();
    cluster.node(3).pause();
    let (mut kills, mut answers) = (0, 0);
    loop {
        let pause = sleep(Duration::from_millis(random_range(200..600)));
        tokio::select! {
            Some(done) = users.join_next() => answers += done.unwrap(),
            () = pause => {
                let index = kills % 2;
                servers[index] = Server::start(&args).await; // after that, the old one is killed
                service.addresses.lock().unwrap()[index] = servers[index].address;
                kills += 1;
            }
        }
        if users.is_empty() {
            break;
        }
    }
    let count = counts(&store).await;
    println!(
        "{} payments, {answers} answers, {} handlers began, {} ended, {kills} servers were killed",
        count.payments, count.begun, count.ended
    );
    assert_eq!(count.payments, submits.div_ceil(USERS) * USERS);
    assert_eq!(count.twice, 0, "payments that were made more than once");
    // In a short run, all kills may fall between two handlers.
    assert!(
        kills < 50 || count.begun > count.ended,
        "no handler was killed"
    );
    cluster.node(3).resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_lock_payments_are_made_twice() {
    let store = Cluster::start(1).await;
    let args = [store.node(0).url()];
    let servers = [Server::start(&args).await, Server::start(&args).await];
    let service = Service::new(&servers);
    let mut clients = JoinSet::new();
    for payment in 0..20 {
        for _ in 0..3 {
            clients.spawn(service.clone().pay(0, payment));
        }
    }
    within(BOUND, clients.join_all()).await;
    let count = counts(&store).await;
    assert_eq!(count.payments, 20);
    assert!(
        count.twice > 0,
        "the run does not show what the lock is for"
    );
}
