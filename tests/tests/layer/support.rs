//! A shop to submit to: its handler stops at a door, so that tests decide what overlaps.

use axum::{Router, body::Body, routing::post};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use redlock::{Redlock, memory};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tests::eventually;
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use tower::ServiceExt as _;

/// No wait of these tests takes as long.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// Three memory nodes and a handle to them.
pub(crate) async fn locks() -> (memory::Cluster, Redlock) {
    let cluster = memory::Cluster::new(3);
    let redlock = connect(&cluster).await;
    (cluster, redlock)
}

/// One more instance of the service has one more handle.
pub(crate) async fn connect(cluster: &memory::Cluster) -> Redlock {
    Redlock::connect(cluster.nodes()).await.unwrap()
}

/// The lock keys on the nodes, without the fences.
pub(crate) fn held(cluster: &memory::Cluster) -> Vec<String> {
    let mut keys: Vec<_> = (cluster.nodes().iter().flat_map(memory::Node::keys))
        .filter(|key| !key.ends_with(":fence") && !key.ends_with(":waiters"))
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

/// Waits until no lock is held.
#[track_caller]
pub(crate) fn all_free(cluster: &memory::Cluster) -> impl Future<Output = ()> {
    eventually(SOON, async || held(cluster).is_empty())
}

/// What happened in the handler.
#[derive(Debug)]
pub(crate) struct Shop {
    entered: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
    finished: AtomicUsize,
    doors: Semaphore,
}

impl Shop {
    /// With its doors closed: handlers stay inside until [`open`](Self::open).
    pub(crate) fn closed() -> Arc<Self> {
        Arc::new(Self {
            entered: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            doors: Semaphore::new(0),
        })
    }

    pub(crate) fn wide_open() -> Arc<Self> {
        let shop = Self::closed();
        shop.open(10_000);
        shop
    }

    pub(crate) fn open(&self, handlers: usize) {
        self.doors.add_permits(handlers);
    }

    /// The handler's body.
    pub(crate) async fn visit(&self) {
        let visit = Visit::new(self);
        self.doors.acquire().await.unwrap().forget();
        visit.finish();
    }

    pub(crate) fn entered(&self) -> usize {
        self.entered.load(SeqCst)
    }

    pub(crate) fn finished(&self) -> usize {
        self.finished.load(SeqCst)
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(SeqCst)
    }

    /// How many were inside at once, at most.
    pub(crate) fn most(&self) -> usize {
        self.most.load(SeqCst)
    }

    #[track_caller]
    pub(crate) fn wait_entered(&self, handlers: usize) -> impl Future<Output = ()> {
        eventually(SOON, async move || self.entered() >= handlers)
    }

    /// A route of which every POST is a visit, answered with 201.
    pub(crate) fn route(self: &Arc<Self>) -> Router {
        let shop = Arc::clone(self);
        let handler = move || async move {
            shop.visit().await;
            StatusCode::CREATED
        };
        Router::new().route("/orders", post(handler))
    }
}

struct Visit<'a>(&'a Shop, bool);

impl<'a> Visit<'a> {
    fn new(shop: &'a Shop) -> Self {
        let running = shop.running.fetch_add(1, SeqCst) + 1;
        shop.most.fetch_max(running, SeqCst);
        shop.entered.fetch_add(1, SeqCst);
        Self(shop, false)
    }

    fn finish(mut self) {
        self.1 = true;
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
        if self.1 {
            self.0.finished.fetch_add(1, SeqCst);
        }
    }
}

/// A POST to `/orders` by a user.
pub(crate) fn order(user: &str) -> Request<Body> {
    request("POST", "/orders", &[("x-user-id", user)], "")
}

pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) extensions: http::Extensions,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// One request, its answer read to the end.
pub(crate) async fn send(app: &Router, request: Request<Body>) -> Answer {
    read(app.clone().oneshot(request).await.unwrap()).await
}

/// The same in a task.
pub(crate) fn start(app: &Router, request: Request<Body>) -> JoinHandle<Answer> {
    let app = app.clone();
    tokio::spawn(async move { send(&app, request).await })
}

pub(crate) async fn read(response: Response<Body>) -> Answer {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
        extensions: head.extensions,
    }
}

/// Serves on a free loopback port for as long as the test's runtime is there.
pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// A client's order over a real socket.
pub(crate) fn submit(
    client: &reqwest::Client,
    to: SocketAddr,
    user: &str,
) -> reqwest::RequestBuilder {
    client
        .post(format!("http://{to}/orders"))
        .header("x-user-id", user)
}
