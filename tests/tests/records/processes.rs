//! Two server processes: a response passes from one to the other, and killing one of them loses nothing of the other.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use tests::{Cluster, eventually, within};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::BOUND;

struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    async fn start(mode: &str, records: &str, nodes: &Cluster, store: &Cluster) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_submit_server"))
            .args([mode, records, &nodes.urls().join(","), &store.node(0).url()])
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

    /// Sends an order of a user in the background. Returns the status and the body; 0 where there is no response.
    fn order(&self, user: &'static str) -> JoinHandle<(u16, String)> {
        let url = format!("http://{}/orders", self.address);
        let request = reqwest::Client::new().post(url);
        let request = request
            .header("x-user-id", user)
            .header("idempotency-key", "\"a\"");
        tokio::spawn(async move {
            match request.body("one").send().await {
                Ok(answer) => (
                    answer.status().as_u16(),
                    answer.text().await.unwrap_or_default(),
                ),
                Err(_) => (0, String::new()),
            }
        })
    }

    fn kill(&mut self) {
        // SIGKILL: no handler ends, and no lock is released.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn count(store: &Cluster, what: &str) -> u32 {
    let count = store.node(0).get(what).await;
    count.map_or(0, |count| count.parse().unwrap())
}

async fn go(store: &Cluster) {
    let () = store.node(0).ask(redis::cmd("SET").arg("go").arg(1)).await;
}

async fn answer(client: JoinHandle<(u16, String)>) -> (u16, String) {
    within(BOUND, client).await.unwrap()
}

fn run(number: u32) -> (u16, String) {
    (201, format!("run {number}"))
}

async fn duplicates_in_two_processes_get_one_answer(records: &str) {
    let (nodes, store) = (Cluster::start(3).await, Cluster::start(1).await);
    let first = Server::start("share", records, &nodes, &store).await;
    let second = Server::start("share", records, &nodes, &store).await;
    let mut clients = vec![first.order("ann")];
    eventually(BOUND, async || count(&store, "runs").await == 1).await;
    clients.extend([second.order("ann"), first.order("ann"), second.order("ann")]);
    eventually(BOUND, async || count(&store, "arrived").await == 4).await;
    let other = second.order("bob");
    eventually(BOUND, async || count(&store, "runs").await == 2).await;
    go(&store).await;
    for client in clients {
        assert_eq!(answer(client).await, run(1));
    }
    assert_eq!(answer(other).await, run(2), "another user's is another's");
    assert_eq!(count(&store, "runs").await, 2);
    // Once the window is over, the same order is a new one.
    eventually(BOUND, async || answer(second.order("ann")).await == run(3)).await;
}

#[tokio::test]
async fn a_response_is_shared_between_processes_through_the_nodes() {
    duplicates_in_two_processes_get_one_answer("quorum").await;
}

#[tokio::test]
async fn a_response_is_shared_between_processes_through_one_server() {
    duplicates_in_two_processes_get_one_answer("redis").await;
}

#[tokio::test]
async fn a_repetition_gets_the_response_from_another_process_after_the_first_one_was_killed() {
    let (nodes, store) = (Cluster::start(3).await, Cluster::start(1).await);
    let mut first = Server::start("replay", "quorum", &nodes, &store).await;
    let second = Server::start("replay", "quorum", &nodes, &store).await;
    go(&store).await;
    assert_eq!(answer(first.order("ann")).await, run(1));
    first.kill();
    nodes.node(1).kill();
    assert_eq!(answer(second.order("ann")).await, run(1));
    let third = Server::start("replay", "quorum", &nodes, &store).await;
    assert_eq!(answer(third.order("ann")).await, run(1));
    assert_eq!(answer(third.order("bob")).await, run(2));
    assert_eq!(count(&store, "runs").await, 2);
}

#[tokio::test]
async fn a_request_whose_process_was_killed_runs_again() {
    let (nodes, store) = (Cluster::start(3).await, Cluster::start(1).await);
    let mut first = Server::start("replay", "quorum", &nodes, &store).await;
    let second = Server::start("replay", "quorum", &nodes, &store).await;
    let killed = first.order("ann");
    eventually(BOUND, async || count(&store, "runs").await == 1).await;
    let waiting = second.order("ann");
    eventually(BOUND, async || count(&store, "arrived").await == 2).await;
    first.kill();
    assert_eq!(answer(killed).await.0, 0);
    // The lock expires with its ttl.
    eventually(BOUND, async || count(&store, "runs").await == 2).await;
    go(&store).await;
    assert_eq!(answer(waiting).await, run(2));
    assert_eq!(answer(second.order("ann")).await, run(2));
}
