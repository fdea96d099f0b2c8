//! A shop: one order of a user at a time, one invoice for each order, one report for all replicas.

use axum::{
    Router,
    extract::{Path, State},
    routing::post,
};
use redlock::{Redlock, memory, redlock};
use redlock_tower::{RedlockLayer, Rejection, key};
use std::{env, time::Duration};
use tokio::{net::TcpListener, time::sleep};

#[derive(Clone)]
struct App {
    redlock: Redlock,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Three nodes inside the process. In production: ["redis://a:6379", "redis://b:6379", "redis://c:6379"].
    let redlock = Redlock::connect(memory::Nodes::new(3).nodes()).await?;
    let app = App {
        redlock: redlock.clone(),
    };

    // The layer: while one order of a user is being placed, a second one of the same user is answered with 409.
    let once_per_user = RedlockLayer::new(redlock, key::header("x-user-id")).no_wait();
    let router = Router::new()
        .route("/orders", post(order).layer(once_per_user))
        .route("/invoices/{order}", post(invoice))
        .with_state(app.clone());

    // The attribute: every replica calls this each minute, and one of them does the work.
    tokio::spawn(async move {
        loop {
            if let Err(error) = send_report(&app).await {
                eprintln!("no report: {error}");
            }
            sleep(Duration::from_secs(60)).await;
        }
    });

    let listener = TcpListener::bind(env::var("LISTEN").unwrap_or("127.0.0.1:3000".into())).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}

async fn order() -> &'static str {
    sleep(Duration::from_millis(500)).await;
    "ordered"
}

// The lock: requests for one invoice take turns, on all servers together.
async fn invoice(State(app): State<App>, Path(order): Path<u64>) -> Result<String, Rejection> {
    let lock = app.redlock.lock(format!("invoice:{order}"));
    let invoice = lock
        .wait(Duration::from_secs(2))
        .run(async |held| format!("invoice {order}, fencing token {}", held.token()))
        .await?; // 409 if others had it for these two seconds, 503 without a quorum
    Ok(invoice)
}

#[redlock(key = "report", ttl = "10s", at_least = "30s", on_busy = skip, lock = app.redlock)]
async fn send_report(app: &App) -> Result<Option<()>, redlock::Error> {
    println!("the report is sent");
    Ok(Some(()))
}
