//! An autosave in a process of its own: the newest edit is saved, and the older ones are superseded; or, to compare, they
//! are refused while one is saved. A save waits in a store, in the middle of its two steps, until the test lets it go on.

use std::time::Duration;

use axum::{Router, extract::State, routing::put};
use http::StatusCode;
use redis::aio::MultiplexedConnection;
use redlock::{Redlock, WaiterLimit};
use redlock_tower::{RedlockLayer, key};
use tokio::{net::TcpListener, time::sleep};

/// The machine may have other work: what is slow is not dead.
const TTL: Duration = Duration::from_secs(12);

async fn ask<T: redis::FromRedisValue>(store: &mut MultiplexedConnection, words: &[&str]) -> T {
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(word);
    }
    command.query_async(store).await.expect("the store")
}

async fn save(State(mut store): State<MultiplexedConnection>, edit: String) -> StatusCode {
    let () = ask(&mut store, &["SET", "saving", &edit]).await;
    while !ask::<bool>(&mut store, &["EXISTS", "go"]).await {
        sleep(Duration::from_millis(3)).await;
    }
    let () = ask(&mut store, &["SET", "draft", &edit]).await;
    StatusCode::NO_CONTENT
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [mode, nodes, store] = args.as_slice() else {
        panic!("usage: autosave_server newest|refuse NODES STORE");
    };
    let client = redis::Client::open(store.as_str()).expect("a URL");
    let store = client.get_multiplexed_async_connection().await;
    let redlock = Redlock::builder()
        .nodes(nodes.split(','))
        .ttl(TTL)
        .node_timeout(TTL / 4)
        .connect()
        .await
        .expect("a quorum");
    let layer = RedlockLayer::new(redlock, key::path("document"))
        .wait(Duration::from_secs(60))
        .max_waiters(&WaiterLimit::new(1_000, 1_000));
    let layer = match &**mode {
        "newest" => layer.newest_wins(true),
        "refuse" => layer.no_wait(),
        other => panic!("the first argument is `newest` or `refuse`, not `{other}`"),
    };
    let app = Router::new()
        .route("/documents/{document}", put(save))
        .layer(layer)
        .with_state(store.expect("the store"));
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a socket on loopback");
    let address = listener.local_addr().expect("a socket on loopback");
    println!("listening {address}");
    axum::serve(listener, app)
        .await
        .expect("a socket on loopback");
}
