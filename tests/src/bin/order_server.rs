//! A service behind the layer, in a process of its own, for the layer's load run: counts how often each submit ran.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, routing::post};
use http::{HeaderMap, StatusCode};
use redlock::Redlock;
use redlock_tower::{KeyExtractor as _, RedlockLayer, key};
use tokio::{net::TcpListener, time::sleep};

/// Longer than the two of a double submit are apart, whatever the nodes do.
const WINDOW: Duration = Duration::from_secs(10);

type Runs = Arc<Mutex<HashMap<String, usize>>>;

/// The service: counts how often each submit ran.
fn service(redlock: Redlock) -> Router {
    let runs = Runs::default();
    let handler = async |State(runs): State<Runs>, headers: HeaderMap| {
        let part = |name: &str| headers[name].to_str().expect("text").to_owned();
        *runs
            .lock()
            .expect("no panic under it")
            .entry(format!("{} {}", part("x-user-id"), part("idempotency-key")))
            .or_default() += 1;
        sleep(Duration::from_millis(5)).await;
        StatusCode::CREATED
    };
    let report = async |State(runs): State<Runs>| {
        axum::Json(runs.lock().expect("no panic under it").clone())
    };
    let per_submit = key::header("x-user-id").and(key::idempotency_key());
    let layer = RedlockLayer::new(redlock, per_submit)
        .required()
        .no_wait()
        .dedupe_for(WINDOW);
    Router::new()
        .route("/orders", post(handler).layer(layer).get(report))
        .with_state(runs)
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let urls = std::env::args().nth(1).expect("usage: order_server NODES");
    // What the layer refuses as the server's own fault is seen in the test's output.
    let errors = tracing_subscriber::fmt().with_writer(std::io::stderr);
    errors.with_max_level(tracing::Level::WARN).init();
    // The machine may have other work: what is slow is not dead.
    let redlock = Redlock::builder()
        .nodes(urls.split(','))
        .node_timeout(Duration::from_secs(1))
        .connect()
        .await
        .expect("a quorum");
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a socket on loopback");
    println!(
        "listening {}",
        listener.local_addr().expect("a socket on loopback")
    );
    axum::serve(listener, service(redlock))
        .await
        .expect("a socket on loopback");
}
