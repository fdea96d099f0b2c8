//! A shop that is watched: `cargo run -p examples --bin observability`, and its metrics at `/metrics`, for Prometheus.
//!
//! The folder `examples/observability` has a configuration of Prometheus, alert rules, and a dashboard for Grafana.
//! `PORT` sets the port (default: 3000; 0 for any free one). `REDIS_URLS` sets real Redis nodes (default: three nodes inside the
//! process).

use std::{process::ExitCode, time::Duration};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use examples::{Locks, say};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use redlock::Redlock;
use redlock_tower::{RedlockLayer, key, replay::MemoryStore};
use tokio::net::TcpListener;

const ABOUT: &str =
    "A shop whose locks are watched: a web server on 127.0.0.1 with metrics for Prometheus";
const ENVIRONMENT: &str = "Environment:
  PORT        The port to listen on; 0 for any free one. Default: 3000
  REDIS_URLS  Redis nodes for the locks, separated by commas, as in
              REDIS_URLS=redis://127.0.0.1:7001,redis://127.0.0.1:7002,redis://127.0.0.1:7003
              Without it three nodes live inside the process";

/// Upper bounds of the buckets of all times, in seconds: from a round trip to the longest ttl.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 5.0, 10.0, 60.0,
];
/// Of counts: rounds, and commands in a batch.
const COUNTS: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

#[tokio::main]
async fn main() -> ExitCode {
    examples::no_options("observability", ABOUT, ENVIRONMENT);
    examples::exit_code(run().await)
}

async fn run() -> Result<(), String> {
    // Before anything connects: the descriptions of the metrics are given then.
    let metrics = recorder()?;
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await;
    let listener = listener.map_err(|error| {
        format!("PORT is `{port}`, which cannot be listened on: {error}; choose another, as in PORT=3001")
    })?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let locks = Locks::from_env().await?;
    say(format_args!(
        "the shop is open at http://{address}, with its locks on {}; its metrics are at http://{address}/metrics",
        locks.place()
    ));
    say(format_args!(
        "an order: curl -si -X POST http://{address}/orders -H 'x-user-id: ada' -H 'idempotency-key: 1'"
    ));
    tokio::spawn(stock(locks.redlock.clone()));
    let server = axum::serve(listener, shop(&locks.redlock, metrics));
    server
        .await
        .map_err(|error| format!("the server stopped: {error}"))
}

/// The recorder of this process.
fn recorder() -> Result<PrometheusHandle, String> {
    let built = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| builder.set_buckets(&COUNTS))
        .and_then(PrometheusBuilder::install_recorder);
    built.map_err(|error| format!("no metrics: {error}"))
}

fn shop(redlock: &Redlock, metrics: PrometheusHandle) -> Router {
    let one_per_user = RedlockLayer::new(redlock.clone(), key::identity(key::header("x-user-id")))
        .no_wait()
        .replay(MemoryStore::new(), Duration::from_secs(3600));
    Router::new()
        .route("/orders", post(order).layer(one_per_user))
        .route("/metrics", get(render).with_state(metrics))
}

async fn order() -> StatusCode {
    tokio::time::sleep(Duration::from_millis(50)).await;
    StatusCode::CREATED
}

async fn render(State(metrics): State<PrometheusHandle>) -> String {
    // Drains what was recorded since: nothing else of the exporter runs in this process.
    metrics.run_upkeep();
    metrics.render()
}

/// A task that only one process of the shop runs, under a lock that is renewed each second.
async fn stock(redlock: Redlock) {
    loop {
        let count = async |_| tokio::time::sleep(Duration::from_secs(10)).await;
        let counted = redlock
            .lock("stock")
            .ttl(Duration::from_secs(3))
            .wait(Duration::from_secs(5))
            .run(count);
        if counted.await.is_err() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}
