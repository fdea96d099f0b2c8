//! A service with two instances, whose records are on the nodes of the lock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Router, routing::post};
use http::StatusCode;
use redlock::Redlock;
use redlock_tower::{
    RedlockLayer,
    key::{Header, Identity},
    replay::{Quorum, ReplayOptions},
};
use tests::{
    Cluster, eventually,
    web::{Answer, DAY, by_user, request, send},
};

use crate::BOUND;

/// A skew that is short enough for a test: a later write counts on a node that has just started.
const SKEW: Duration = Duration::from_millis(100);
/// For this long, a node that restarted has no vote on locks.
const TTL: Duration = Duration::from_secs(3);

pub(crate) type Layer = RedlockLayer<Identity<Header>>;

/// A client that cannot know what the nodes forgot before it connected.
pub(crate) async fn newcomer(cluster: &Cluster) -> Redlock {
    let builder = Redlock::builder().nodes(cluster.urls()).clock_skew(SKEW);
    // The machine may be busy, so a slow node must not count as down.
    let builder = builder.node_timeout(TTL / 4).max_ttl(TTL).ttl(TTL);
    builder.connect().await.expect("a quorum")
}

/// A client for which the nodes have forgotten nothing.
pub(crate) async fn trusting(cluster: &Cluster) -> Redlock {
    let redlock = newcomer(cluster).await;
    redlock.trust_nodes().await.expect("all nodes");
    redlock
}

pub(crate) struct Service {
    pub(crate) instances: Vec<Router>,
    runs: Arc<AtomicUsize>,
}

impl Service {
    /// One instance for each client.
    pub(crate) fn new(clients: &[Redlock]) -> Self {
        Self::with(clients, Quorum::new, |layer| layer, "")
    }

    /// The handler appends `padding` to its responses.
    pub(crate) fn with(
        clients: &[Redlock],
        store: impl Fn(&Redlock) -> Quorum,
        set: fn(Layer) -> Layer,
        padding: &str,
    ) -> Self {
        let runs = Arc::<AtomicUsize>::default();
        let padding: Arc<str> = padding.into();
        let instance = |redlock: &Redlock| {
            let (runs, padding) = (Arc::clone(&runs), Arc::clone(&padding));
            let handler = async move || {
                let run = runs.fetch_add(1, SeqCst) + 1;
                (StatusCode::CREATED, format!("run {run}{padding}"))
            };
            let layer = set(RedlockLayer::new(redlock.clone(), by_user()));
            let options = ReplayOptions::new(store(redlock), DAY).max_response(1024 * 1024);
            Router::new()
                .route("/orders", post(handler))
                .layer(layer.replay_with(options))
        };
        let instances = clients.iter().map(instance).collect();
        Self { instances, runs }
    }

    /// Sends the request of `user` with this `Idempotency-Key` to an instance.
    pub(crate) async fn send(&self, instance: usize, user: &str, key: &str) -> Answer {
        let headers = [("x-user-id", user), ("idempotency-key", key)];
        let order = request("POST", "/orders", &headers, "one");
        send(&self.instances[instance], order).await
    }

    /// How often the handler ran.
    pub(crate) fn runs(&self) -> usize {
        self.runs.load(SeqCst)
    }
}

/// An `Idempotency-Key` whose record even `newcomer` knows to be newer than the nodes, which report their start in seconds.
pub(crate) async fn record(service: &Service, newcomer: &Service) -> (String, String) {
    let mut found = Default::default();
    eventually(BOUND, async || {
        let key = service.runs().to_string();
        let first = service.send(0, "ann", &key).await;
        assert_eq!(first.status, 201, "{}", first.text());
        found = (key, first.text().to_owned());
        newcomer.send(0, "ann", &found.0).await.is_replayed()
    })
    .await;
    found
}

/// The status, the body, and whether it was recorded.
pub(crate) fn shown(answer: &Answer) -> (u16, &str, bool) {
    (answer.status, answer.text(), answer.is_replayed())
}
