//! Helpers for tests of the layers: memory nodes, an order handler that the test controls, requests and responses.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails at its line")]

use axum::{
    Router,
    body::{Body, Bytes},
    routing::post,
};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use redlock::{Redlock, memory};
use redlock_tower::{Reason, Rejection, key};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use tower::ServiceExt as _;

use crate::eventually;

/// Longer than any wait of these tests takes.
pub const SOON: Duration = Duration::from_secs(10);
/// Lifetime of the records of a replay.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Three memory nodes, and a client.
pub async fn locks() -> (memory::Nodes, Redlock) {
    let cluster = memory::Nodes::new(3);
    let redlock = connect(&cluster).await;
    (cluster, redlock)
}

/// A client of three memory nodes, for a test that does not need the nodes.
pub async fn redlock() -> Redlock {
    locks().await.1
}

/// One more client, as each instance of a service has one.
pub async fn connect(cluster: &memory::Nodes) -> Redlock {
    Redlock::connect(cluster.nodes()).await.unwrap()
}

/// The locked keys on the nodes, without fences, waitlists and the numbers of newest requests.
pub fn held(cluster: &memory::Nodes) -> Vec<String> {
    let mut keys: Vec<_> = (cluster.nodes().iter().flat_map(memory::Node::keys))
        .filter(|key| {
            ![":fence", ":waiters", ":newest"]
                .iter()
                .any(|end| key.ends_with(end))
        })
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

/// Waits until no lock is held.
#[track_caller]
pub fn all_free(cluster: &memory::Nodes) -> impl Future<Output = ()> {
    eventually(SOON, async || held(cluster).is_empty())
}

/// A handler of orders that blocks until the test unblocks it, and counts its runs.
#[derive(Debug)]
pub struct Orders {
    entered: AtomicUsize,
    running: AtomicUsize,
    max_running: AtomicUsize,
    finished: AtomicUsize,
    unblocked: Semaphore,
}

impl Orders {
    /// Every run blocks until [`unblock`](Self::unblock).
    #[must_use]
    pub fn blocked() -> Arc<Self> {
        Arc::new(Self {
            entered: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            max_running: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            unblocked: Semaphore::new(0),
        })
    }

    /// No run blocks.
    #[must_use]
    pub fn unblocked() -> Arc<Self> {
        let orders = Self::blocked();
        orders.unblock(10_000);
        orders
    }

    /// Lets this many runs finish.
    pub fn unblock(&self, runs: usize) {
        self.unblocked.add_permits(runs);
    }

    /// The body of the handler.
    pub async fn run(&self) {
        let run = Run::new(self);
        self.unblocked.acquire().await.unwrap().forget();
        run.finish();
    }

    /// How many runs have begun.
    pub fn entered(&self) -> usize {
        self.entered.load(SeqCst)
    }

    /// How many runs have finished, without those that were cancelled.
    pub fn finished(&self) -> usize {
        self.finished.load(SeqCst)
    }

    /// How many run now.
    pub fn running(&self) -> usize {
        self.running.load(SeqCst)
    }

    /// The most that have run at the same time.
    pub fn max_running(&self) -> usize {
        self.max_running.load(SeqCst)
    }

    /// Waits until this many runs have begun.
    #[track_caller]
    pub fn wait_entered(&self, runs: usize) -> impl Future<Output = ()> {
        eventually(SOON, async move || self.entered() >= runs)
    }

    /// A router that handles `POST /orders`, and responds with 201.
    pub fn route(self: &Arc<Self>) -> Router {
        let orders = Arc::clone(self);
        let handler = move || async move {
            orders.run().await;
            StatusCode::CREATED
        };
        Router::new().route("/orders", post(handler))
    }
}

struct Run<'a> {
    orders: &'a Orders,
    finished: bool,
}

impl<'a> Run<'a> {
    fn new(orders: &'a Orders) -> Self {
        let running = orders.running.fetch_add(1, SeqCst) + 1;
        orders.max_running.fetch_max(running, SeqCst);
        orders.entered.fetch_add(1, SeqCst);
        Self {
            orders,
            finished: false,
        }
    }

    fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.orders.running.fetch_sub(1, SeqCst);
        if self.finished {
            self.orders.finished.fetch_add(1, SeqCst);
        }
    }
}

/// The key of a replay: the user.
pub fn by_user() -> key::Identity<key::Header> {
    key::identity(key::header("x-user-id"))
}

/// `POST /orders` by a user.
pub fn order(user: &str) -> Request<Body> {
    request("POST", "/orders", &[("x-user-id", user)], "")
}

/// A POST by ann with an `Idempotency-Key`.
pub fn submit(path: &str, key: &str, body: impl Into<Body>) -> Request<Body> {
    let headers = [("x-user-id", "ann"), ("idempotency-key", key)];
    request("POST", path, &headers, "").map(|_| body.into())
}

/// A request.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

/// A response that was read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, without trailers.
    pub body: Bytes,
    /// The extensions.
    pub extensions: http::Extensions,
}

impl Answer {
    /// The value of a header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Why the layer rejected the request, if it did.
    pub fn reason(&self) -> Option<Reason> {
        self.extensions.get().map(Rejection::reason)
    }

    /// In seconds.
    pub fn retry_after(&self) -> Option<u64> {
        let seconds = self.headers.get("retry-after")?;
        Some(seconds.to_str().unwrap().parse().unwrap())
    }

    /// Whether it is a recorded response.
    pub fn is_replayed(&self) -> bool {
        self.header("idempotency-replayed") == "true"
    }
}

/// Sends one request, and reads its response.
pub async fn send(app: &Router, request: Request<Body>) -> Answer {
    read(app.clone().oneshot(request).await.unwrap()).await
}

/// As [`send`], in a task.
pub fn start(app: &Router, request: Request<Body>) -> JoinHandle<Answer> {
    let app = app.clone();
    tokio::spawn(async move { send(&app, request).await })
}

/// Reads a response to its end.
pub async fn read(response: Response<Body>) -> Answer {
    let (head, body) = response.into_parts();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
        extensions: head.extensions,
    }
}

/// Serves on a free loopback port until the runtime of the test ends.
pub async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// An order by a user over a socket.
pub fn post_order(client: &reqwest::Client, to: SocketAddr, user: &str) -> reqwest::RequestBuilder {
    client
        .post(format!("http://{to}/orders"))
        .header("x-user-id", user)
}
