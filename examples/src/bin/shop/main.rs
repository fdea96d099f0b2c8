//! A shop in which a double submit runs once: `cargo run -p examples --bin shop`.
//!
//! `PORT` sets the port (default: 3000; 0 for any free one). `REDIS_URLS` sets real Redis nodes (default: three nodes inside the
//! process).

mod checkout;
mod locks;
mod nodes;
mod orders;
mod page;
mod refusal;
mod report;
mod settings;
mod shutdown;
mod stock;
mod timeline;

use std::{
    io::{IsTerminal, stderr},
    process::ExitCode,
    sync::Arc,
};

use axum::Router;
use examples::{Locks, say};
use redlock::{Redlock, memory};
use timeline::Timeline;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{
    EnvFilter, Layer, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

const ABOUT: &str = "A shop in which a double submit runs once: a web server on 127.0.0.1";
const ENVIRONMENT: &str = "Environment:
  PORT        The port to listen on; 0 for any free one. Default: 3000
  REDIS_URLS  Redis nodes for the locks, separated by commas, as in
              REDIS_URLS=redis://127.0.0.1:7001,redis://127.0.0.1:7002,redis://127.0.0.1:7003
              Without it three nodes live inside the process
  RUST_LOG    Which events go to standard error, as in RUST_LOG=redlock=debug. Default: warn";

/// The state of the handlers.
#[derive(Clone, Debug)]
struct Shop {
    redlock: Redlock,
    embedded: Arc<[memory::Node]>,
    orders: Arc<orders::Book>,
    stock: Arc<stock::Stock>,
    timeline: Arc<Timeline>,
    /// Cancelled when the server begins to stop.
    stop: CancellationToken,
}

#[tokio::main]
async fn main() -> ExitCode {
    examples::no_options("shop", ABOUT, ENVIRONMENT);
    examples::exit_code(run().await)
}

async fn run() -> Result<(), String> {
    let timeline = Arc::default();
    let asked_for = std::env::var_os("RUST_LOG").is_some();
    if asked_for {
        log(&timeline);
    }
    let listener = settings::listen().await?;
    let locks = Locks::from_env().await?;
    if !asked_for {
        // Not earlier: the error of connecting, or the welcome, already contains its warnings.
        log(&timeline);
    }
    let stop = shutdown::on_signal();
    welcome(&listener, &locks).await;

    let shop = Shop {
        stock: Arc::new(stock::Stock::new(&locks)?),
        redlock: locks.redlock,
        embedded: locks.embedded.into(),
        orders: Arc::default(),
        timeline,
        stop: stop.clone(),
    };
    let routes = Router::new()
        .merge(page::routes())
        .merge(checkout::routes(&shop.redlock))
        .merge(orders::routes(&shop.redlock))
        .merge(stock::routes())
        .merge(nodes::routes())
        .merge(locks::routes())
        .merge(timeline::routes());
    let server = axum::serve(listener, routes.with_state(shop.clone()))
        .with_graceful_shutdown(stop.clone().cancelled_owned());

    let served = tokio::select! {
        served = server.into_future() => served.map_err(|error| format!("the server stopped: {error}")),
        never = report::every_few_seconds(&shop) => match never {},
        () = shutdown::patience(&stop) => Ok(()),
    };
    // Wait for releases in flight, so that no other process has to wait for their ttl.
    tokio::join!(shop.redlock.close(), shop.stock.close());
    served?;
    say("stopped");
    Ok(())
}

/// Events on standard error, and in the timeline of the page. `RUST_LOG=redlock=debug` shows each vote.
fn log(timeline: &Arc<Timeline>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .with_filter(filter);
    registry()
        .with(lines)
        .with(timeline::recorder(timeline.clone()))
        .init();
}

/// Prints the address, where the locks are, and what to try.
async fn welcome(listener: &TcpListener, locks: &Locks) {
    let address = listener
        .local_addr()
        .map_or_else(|_| "127.0.0.1".to_owned(), |address| address.to_string());
    say(format_args!(
        "the shop is open at http://{address}, with its locks on {}:",
        locks.place()
    ));
    for node in locks.describe().await {
        say(format_args!("  {node}"));
    }
    let order = format!(
        "curl -si http://{address}/orders -H 'x-user-id: ada' -H 'content-type: application/json' -d '{{\"item\":\"tea\"}}'"
    );
    say("try the page in a browser, an order, or two at once (one is created, the other refused):");
    say(format_args!("  {order}"));
    say(format_args!("  for i in 1 2; do {order} & done; wait"));
    say(
        "a report runs every few seconds, in one process of all that share the nodes; Ctrl-C stops",
    );
}
