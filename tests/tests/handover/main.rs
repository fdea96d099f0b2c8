//! Locks that pass between processes: the example `accepted` answers 202, and its workers continue under the locks of the
//! requests, while they are killed.

mod many;

use std::{
    collections::HashMap,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use tests::{Cluster, eventually, within};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// For a program to print the expected line.
const SOON: Duration = Duration::from_secs(60);
/// The time between two kills.
const KILL_EVERY: Duration = Duration::from_millis(150);
/// Requests in flight.
const AT_ONCE: usize = 8;
const ORDERS: usize = 60;

/// The lines that all processes have printed.
type Said = Arc<Mutex<Vec<String>>>;

struct Shop {
    program: PathBuf,
    nodes: Cluster,
    queue: Cluster,
    said: Said,
}

impl Shop {
    async fn open() -> Self {
        let args = ["--package", "examples", "--bin", "accepted"];
        let built = tests::built::build(&args, env!("CARGO_TARGET_TMPDIR"));
        let mut built = built.expect("the example is built");
        Self {
            program: built.remove("accepted").expect("the program"),
            nodes: Cluster::start(3).await,
            queue: Cluster::start(1).await,
            said: Said::default(),
        }
    }

    /// Starts the program, and prints its lines to `said`. It is killed when it is dropped.
    fn start(&self, args: &[&str]) -> Child {
        let mut command = Command::new(&self.program);
        command
            .env("REDIS_URLS", self.nodes.urls().join(","))
            .args(["--queue", &self.queue.node(0).url()])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let said = Arc::clone(&self.said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                said.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
        child
    }

    fn said(&self) -> Vec<String> {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Where the web service listens.
    async fn address(&self) -> String {
        let address = || {
            let said = self.said();
            said.iter()
                .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned))
        };
        eventually(SOON, async || address().is_some()).await;
        address().expect("it was there")
    }

    async fn shipped(&self) -> HashMap<String, u64> {
        self.queue
            .node(0)
            .ask(redis::cmd("HGETALL").arg("{shop}:shipped"))
            .await
    }

    /// The tokens of the holders of each order, as they were printed: those that adopted it, and all.
    fn holders(&self) -> HashMap<String, (usize, Vec<u64>)> {
        let mut holders = HashMap::<String, (usize, Vec<u64>)>::new();
        for line in self.said() {
            let words: Vec<&str> = line.split(' ').collect();
            let [_, "order", order, how @ .., "with", "token", token] = &words[..] else {
                continue;
            };
            if how == ["shipped"] {
                continue;
            }
            let (adopted, tokens) = holders.entry((*order).to_owned()).or_default();
            *adopted += usize::from(how == ["adopted"]);
            tokens.push(token.parse().expect("a token"));
        }
        holders
    }
}

/// Runs two workers. The older one is killed and replaced repeatedly.
async fn kill_workers(shop: &Shop) {
    let mut workers = Vec::new();
    for number in 0.. {
        let name = format!("worker-{number}");
        workers.push(shop.start(&["work", "--name", &name]));
        let says = format!("{name} works");
        eventually(SOON, async || shop.said().contains(&says)).await;
        if workers.len() == 2 {
            tokio::time::sleep(KILL_EVERY).await;
            let mut killed = workers.remove(0);
            killed.kill().await.expect("SIGKILL to our own child");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_shipped_once_while_workers_are_killed() {
    let shop = Shop::open().await;
    let _server = shop.start(&["serve"]);
    let address = shop.address().await;
    let client = reqwest::Client::new();
    let order = |number: usize| {
        let request = client.post(format!("{address}/orders/{number}"));
        async move {
            let answer = request.send().await.expect("an answer");
            assert_eq!(
                answer.status(),
                202,
                "order {number}: {:?}",
                answer.text().await
            );
        }
    };
    let all_shipped = async {
        stream::iter(0..ORDERS)
            .map(order)
            .buffer_unordered(AT_ONCE)
            .collect::<()>()
            .await;
        eventually(SOON, async || shop.shipped().await.len() == ORDERS).await;
    };
    within(SOON * 2, async {
        tokio::select! {
            () = all_shipped => {}
            () = kill_workers(&shop) => {}
        }
    })
    .await;
    let twice: Vec<_> = shop
        .shipped()
        .await
        .into_iter()
        .filter(|(_, times)| *times > 1)
        .collect();
    assert!(twice.is_empty(), "shipped more than once: {twice:?}");
    for (order, (adopted, tokens)) in shop.holders() {
        assert!(adopted <= 1, "order {order} was adopted {adopted} times");
        assert!(
            tokens.is_sorted_by(|a, b| a < b),
            "order {order}: {tokens:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_in_the_queue_is_refused_until_it_is_shipped() {
    let shop = Shop::open().await;
    let _server = shop.start(&["serve"]);
    let address = shop.address().await;
    let client = reqwest::Client::new();
    let post = async || {
        let answer = client.post(format!("{address}/orders/7")).send().await;
        answer.expect("an answer").status().as_u16()
    };
    assert_eq!(post().await, 202);
    assert_eq!(post().await, 409);
    let _worker = shop.start(&["work", "--name", "one"]);
    eventually(SOON, async || shop.shipped().await.len() == 1).await;
    eventually(SOON, async || post().await == 202).await;
}
